"""Asks a Vault whether a one-time password is right: what vault-ssh-helper does for PAM, in as few lines as will do.

    one_time_password_helper.py [-dev] -config=FILE [-verify-only]

PAM gives the user in PAM_USER and the password on standard input. Status 0 lets the user in. The configuration has
lines `name = "value"`.
"""

import ipaddress
import json
import os
import re
import ssl
import sys
import urllib.error
import urllib.request
import uuid

NAMES = {
    "vault_addr", "ssh_mount_point", "namespace", "ca_cert", "ca_path", "tls_skip_verify", "tls_server_name",
    "allowed_roles", "allowed_cidr_list",
}  # fmt: skip
ECHO = "verify-echo-request"


class Refused(Exception):
    pass


def configuration(text):
    settings = {"ssh_mount_point": "ssh"}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.strip().startswith("#"):
            continue
        match = re.fullmatch(r'\s*(\w+)\s*=\s*"?([^"]*)"?\s*', line)
        if not match:
            raise Refused(f"cannot read line {number}")
        name, value = match.groups()
        if name not in NAMES:
            raise Refused(f'invalid key "{name}" on line {number}')
        settings[name] = value
    if not settings.get("vault_addr"):
        raise Refused('missing config "vault_addr"')
    return settings


def tls(settings):
    context = ssl.create_default_context(cafile=settings.get("ca_cert"), capath=settings.get("ca_path"))
    if settings.get("tls_skip_verify") == "true":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def ask(settings, password, dev=False):
    address = settings["vault_addr"].rstrip("/")
    if address.startswith("http://") != dev:
        raise Refused("http is for -dev, and -dev for http")
    request = urllib.request.Request(
        f"{address}/v1/{settings['ssh_mount_point']}/verify",
        data=json.dumps({"otp": password}).encode(),
        method="PUT",
        headers={"X-Vault-Request": "true"},
    )
    if settings.get("namespace"):
        request.add_header("X-Vault-Namespace", settings["namespace"])
    context = None if dev else tls(settings)
    try:
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        raise Refused(f"{error.code}: {error.read().decode()}") from error


def one_time_password(text):
    """The password, which has to look like one: so the echo word never is."""
    password = text.replace("\0", "").strip()
    if len(password) != 36:
        raise Refused("uuid string is wrong length")
    try:
        uuid.UUID(password)
    except ValueError as error:
        raise Refused("not a uuid") from error
    return password


def is_ours(address, own, allowed):
    """Whether the password is for this very host: one of its own addresses, not of its own networks (CVE-2020-24359)."""
    address = ipaddress.ip_address(address)
    if any(address == ipaddress.ip_interface(one).ip for one in own):
        return True
    networks = [part.strip() for part in allowed.split(",") if part.strip()]
    return any(address in ipaddress.ip_network(network, strict=False) for network in networks)


def own_addresses():
    with os.popen("ip -o addr show 2>/dev/null || hostname -I") as output:
        found = re.findall(r"\d+\.\d+\.\d+\.\d+(?:/\d+)?|[0-9a-f:]*::[0-9a-f:]*(?:/\d+)?", output.read())
    addresses = ["127.0.0.1", "::1"]
    for text in found:
        try:
            ipaddress.ip_interface(text)
        except ValueError:
            continue
        addresses.append(text)
    return addresses


def judge(settings, answer, user, own):
    if answer["username"] != user:
        raise Refused("the password is another user's")
    if not is_ours(answer["ip"], own, settings.get("allowed_cidr_list", "")):
        raise Refused("the password is another host's")
    roles = settings.get("allowed_roles", "")
    if roles != "*" and answer["role_name"] not in [role.strip() for role in roles.split(",")]:
        raise Refused("the role is not allowed here")


def main(arguments):
    dev = "-dev" in arguments
    path = next(a.partition("=")[2] for a in arguments if a.startswith("-config="))
    with open(path) as file:
        settings = configuration(file.read())
    if "-verify-only" in arguments:
        if ask(settings, ECHO, dev)["message"] != "verify-echo-response":
            raise Refused("this is no Vault")
        return
    password = one_time_password(sys.stdin.read())
    judge(settings, ask(settings, password, dev), os.environ["PAM_USER"], own_addresses())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Refused, OSError) as reason:
        print(f"refused: {reason}", file=sys.stderr)
        sys.exit(1)
