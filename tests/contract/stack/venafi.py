"""The client of Venafi's API against the deployed stack: it speaks nothing but HTTPS, so a server that does stands in front.

Usage: venafi.py URL CLIENT_ID SECRET DIRECTORY LOGIN_NAME HOST_KEY; see ../venafi/client.py
"""

import datetime
import ipaddress
import ssl
import subprocess
import sys
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

tests = Path(__file__).resolve().parents[2]
sys.path.append(str(tests.parent / "localstack"))
from proxy import Server  # noqa: E402

url, client_id, secret, directory, login_name, host_key = sys.argv[1:]


def self_signed():
    """A file with a key and a certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file = Path(directory) / "front.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return str(file)


trust = self_signed()
front = Server(0, url, "")
front.prefix, front.scheme = "", "https"
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(trust)
front.socket = context.wrap_socket(front.socket, server_side=True)
threading.Thread(target=front.serve_forever, daemon=True).start()
address = f"https://127.0.0.1:{front.server_port}"
client = [sys.executable, str(tests / "contract/venafi/client.py"), address, trust, client_id, secret]
sys.exit(subprocess.run([*client, directory, login_name, host_key], check=False).returncode)
