#!/usr/bin/env python3
"""Describes certificates for index.json, reading their bytes on its own; makes FIDO public keys without hardware.

    describe.py index < "name ca subject" lines     index.json on standard output
    describe.py sk-key FILE APPLICATION COMMENT     the FIDO form of an Ed25519 or ECDSA P-256 public key
"""

import base64
import hashlib
import json
import re
import struct
import subprocess
import sys

PLAIN_KEY_FIELDS = {  # strings between the nonce and the serial; an mpint reads as one
    "ssh-rsa-cert-v01@openssh.com": 2,
    "ssh-ed25519-cert-v01@openssh.com": 1,
    "sk-ssh-ed25519-cert-v01@openssh.com": 2,
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com": 3,
    **{f"ecdsa-sha2-nistp{bits}-cert-v01@openssh.com": 2 for bits in (256, 384, 521)},
}
SK_TYPES = {
    "ssh-ed25519": "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256": "sk-ecdsa-sha2-nistp256@openssh.com",
}


class Reader:
    """SSH wire types (RFC 4251, section 5), taken from the front of some bytes."""

    def __init__(self, data):
        self.data = data
        self.offset = 0

    def take(self, size):
        taken = self.data[self.offset : self.offset + size]
        assert len(taken) == size, "truncated"
        self.offset += size
        return taken

    def uint32(self):
        return struct.unpack(">I", self.take(4))[0]

    def uint64(self):
        return struct.unpack(">Q", self.take(8))[0]

    def string(self):
        return self.take(self.uint32())

    def strings(self):
        found = []
        while self.offset < len(self.data):
            found.append(self.string())
        return found


def wire_string(data):
    return struct.pack(">I", len(data)) + data


def key_blob(path):
    with open(path, encoding="utf-8") as file:
        return base64.b64decode(file.read().split()[1], validate=True)


def option_value(data):
    """None for a flag, otherwise the one string that the data holds."""
    if not data:
        return None
    (value,) = Reader(data).strings()
    return value.decode()


def options(data):
    parts = Reader(data).strings()
    return [[name.decode(), option_value(value)] for name, value in zip(parts[::2], parts[1::2], strict=True)]


def describe(name, ca, subject):
    file, ca_file, subject_file = f"{name}-cert.pub", f"keys/{ca}.pub", f"keys/{subject}.pub"
    blob = key_blob(file)
    reader = Reader(blob)
    type_name = reader.string().decode()
    nonce = reader.string()
    key = b"".join(wire_string(reader.string()) for _ in range(PLAIN_KEY_FIELDS[type_name]))
    serial = reader.uint64()
    cert_type = {1: "user", 2: "host"}[reader.uint32()]
    key_id = reader.string().decode()
    principals = [principal.decode() for principal in Reader(reader.string()).strings()]
    valid_after, valid_before = reader.uint64(), reader.uint64()
    critical_options, extensions = options(reader.string()), options(reader.string())
    reserved, signature_key = reader.string(), reader.string()
    tbs_size = reader.offset
    signature = reader.string()

    assert reader.offset == len(blob) and reserved == b""
    assert signature_key == key_blob(ca_file), f"{file}: not signed by {ca_file}"
    subject_blob = Reader(key_blob(subject_file))
    subject_blob.string()
    assert key == subject_blob.data[subject_blob.offset :], f"{file}: not of {subject_file}"
    entry = {
        "file": file,
        "ca_file": ca_file,
        "subject_file": subject_file,
        "type_name": type_name,
        "nonce": nonce.hex(),
        "serial": serial,
        "cert_type": cert_type,
        "key_id": key_id,
        "principals": principals,
        "valid_after": valid_after,
        "valid_before": valid_before,
        "critical_options": critical_options,
        "extensions": extensions,
        "signature_algorithm": Reader(signature).string().decode(),
        "tbs_size": tbs_size,
        "tbs_sha256": hashlib.sha256(blob[:tbs_size]).hexdigest(),
    }
    compare_with_ssh_keygen(entry)
    return entry


def compare_with_ssh_keygen(entry):
    """ssh-keygen verifies the signature, and must read what was read here."""
    command = ["ssh-keygen", "-Lf", entry["file"]]
    printed = subprocess.run(command, env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}, capture_output=True, check=True)
    text = printed.stdout.decode()
    assert f"Type: {entry['type_name']} {entry['cert_type']} certificate" in text
    assert f"Serial: {entry['serial']}\n" in text
    assert f"(using {entry['signature_algorithm']})" in text
    listed = re.search(r"Principals: ?\n(.*?)^ {8}Critical", text, re.MULTILINE | re.DOTALL)
    assert len(listed[1].splitlines()) == len(entry["principals"])
    for name, _ in entry["critical_options"] + entry["extensions"]:
        assert re.search(rf"^ {{16}}{re.escape(name)}\b", text, re.MULTILINE), name


def index():
    entries = [describe(*line.split()) for line in sys.stdin]
    json.dump(entries, sys.stdout, indent=1, ensure_ascii=False)
    print()


def sk_key(path, application, comment):
    blob = Reader(key_blob(path))
    type_name = SK_TYPES[blob.string().decode()]
    fields = blob.data[blob.offset :] + wire_string(application.encode())
    encoded = base64.b64encode(wire_string(type_name.encode()) + fields).decode()
    print(type_name, encoded, comment)


if __name__ == "__main__":
    {"index": index, "sk-key": sk_key}[sys.argv[1]](*sys.argv[2:])
