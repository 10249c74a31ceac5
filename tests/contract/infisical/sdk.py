"""Infisical's own SDK for Python, unmodified: it logs in by universal auth and asks for everything else through its
own HTTP layer, among it the calls that the command line's four SSH commands make.

Environment: INFISICAL_URL; SETUP, the answer of `countersign infisical apply`; DIRECTORY, where the credentials of a
login are left; LOGIN_USER and HOST_KEY, the user who logs in and the host key's public line.
"""

import contextlib
import json
import os
import pathlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import (
    SSHCertificateType,
    load_ssh_private_key,
    load_ssh_public_identity,
)
from infisical_sdk import InfisicalSDKClient
from infisical_sdk.infisical_requests import APIError

URL = os.environ["INFISICAL_URL"]
SETUP = json.loads(os.environ["SETUP"])
DIRECTORY = pathlib.Path(os.environ["DIRECTORY"])
LOGIN_USER = os.environ["LOGIN_USER"]
HOST_KEY = os.environ["HOST_KEY"]
PASSWORD = "a long password"

project = SETUP["projects"][0]


def named(kind, name):
    return next(one for one in project[kind] if name in one.values())


@contextlib.contextmanager
def refused(status, message):
    try:
        yield
    except APIError as error:
        assert error.status_code == status, error
        assert error.response["message"] == message, error.response
        assert error.response["statusCode"] == status
        assert error.response["reqId"].startswith("req-")
    else:
        raise AssertionError(f"{status} expected: {message}")


def machine(name):
    identity = named("identities", name)
    client = InfisicalSDKClient(host=URL)
    login = client.auth.universal_auth.login(identity["clientId"], identity["clientSecret"])
    assert login.tokenType == "Bearer" and login.expiresIn == 2592000, login
    assert login.accessTokenMaxTTL == 2592000, login
    return client


def person(email):
    """The non-interactive login of the command line."""
    client = InfisicalSDKClient(host=URL)
    body = {"email": email, "password": PASSWORD}
    first = client.api.post("/api/v3/auth/login", dict, json=body).data
    client.set_token(first["accessToken"])
    body = {"organizationId": SETUP["organizationId"]}
    second = client.api.post("/api/v3/auth/select-organization", dict, json=body).data
    assert second["isMfaEnabled"] is False
    client.set_token(second["token"])
    return client


def public_key(client, path):
    """Plain text, which the SDK's JSON layer cannot read: its session can."""
    answer = client.api.session.get(URL + path)
    answer.raise_for_status()
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    return answer.text


def certificate(body, kind, principals):
    identity = load_ssh_public_identity(body["signedKey"].encode())
    identity.verify_cert_signature()
    assert identity.type is kind
    assert identity.valid_principals == [name.encode() for name in principals]
    assert str(identity.serial) == body["serialNumber"]
    return identity


# infisical ssh add-host
bootstrapper = machine("bootstrapper")
with refused(401, "Invalid credentials"):
    InfisicalSDKClient(host=URL).auth.universal_auth.login("nobody", "nothing")
body = {"projectId": project["id"], "hostname": "127.0.0.1", "alias": "loop"}
host = bootstrapper.api.post("/api/v1/ssh/hosts", dict, json=body).data
with refused(400, "SSH host with hostname 127.0.0.1 already exists in the project"):
    bootstrapper.api.post("/api/v1/ssh/hosts", dict, json=body)
path = f"/api/v1/ssh/hosts/{host['id']}"
user_ca = public_key(bootstrapper, f"{path}/user-ca-public-key")
body = {"publicKey": HOST_KEY + "\n"}
enrolled = bootstrapper.api.post(f"{path}/issue-host-cert", dict, json=body).data
certificate(enrolled, SSHCertificateType.HOST, ["127.0.0.1"])

# infisical ssh connect
alice = person("alice@example.com")
assert alice.api.get("/api/v1/ssh/hosts", list).data == []
admin = person("admin@example.com")
mapping = {"loginUser": LOGIN_USER, "allowedPrincipals": {"groups": ["ops"]}}
admin.api.patch(path, dict, json={"loginMappings": [mapping]})
mine = alice.api.get("/api/v1/ssh/hosts", list).data
assert [one["hostname"] for one in mine] == ["127.0.0.1"]
assert mine[0]["loginMappings"][0]["loginUser"] == LOGIN_USER
issued = alice.api.post(f"{path}/issue-user-cert", dict, json={"loginUser": LOGIN_USER}).data
identity = certificate(issued, SSHCertificateType.USER, ["alice@example.com", LOGIN_USER])
key = load_ssh_private_key(issued["privateKey"].encode(), None)
raw = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
assert key.public_key().public_bytes(*raw) == identity.public_key().public_bytes(*raw)
host_ca = public_key(alice, f"{path}/host-ca-public-key")
with refused(401, "You are not allowed to login as nobody on this host"):
    alice.api.post(f"{path}/issue-user-cert", dict, json={"loginUser": "nobody"})
with refused(403, "You are not allowed to access this resource"):
    bootstrapper.api.post(f"{path}/issue-user-cert", dict, json={"loginUser": LOGIN_USER})

# infisical ssh issue-credentials, infisical ssh sign-key
body = {"projectId": project["id"], "friendlyName": "templates"}
ca = admin.api.post("/api/v1/ssh/ca", dict, json=body).data["ca"]
body = {
    "sshCaId": ca["id"], "name": "t", "ttl": "1h", "maxTTL": "2h", "allowedUsers": ["ec2-user"],
    "allowedHosts": ["*.example.com"], "allowUserCertificates": True, "allowHostCertificates": True,
    "allowCustomKeyIds": False,
}  # fmt: skip
template = admin.api.post("/api/v1/ssh/certificate-templates", dict, json=body).data
signer = machine("signer")
body = {
    "certificateTemplateId": template["id"], "keyAlgorithm": "EC_prime256v1", "certType": "user",
    "principals": ["ec2-user"],
}  # fmt: skip
credentials = signer.api.post("/api/v1/ssh/certificates/issue", dict, json=body).data
certificate(credentials, SSHCertificateType.USER, ["ec2-user"])
assert credentials["keyAlgorithm"] == "EC_prime256v1"
body = {
    "certificateTemplateId": template["id"], "publicKey": HOST_KEY, "certType": "host",
    "principals": ["a.example.com"], "ttl": "2h", "keyId": "host-1",
}  # fmt: skip
signed = signer.api.post("/api/v1/ssh/certificates/sign", dict, json=body).data
certificate(signed, SSHCertificateType.HOST, ["a.example.com"])
listed = admin.api.get(f"/api/v1/projects/{project['id']}/ssh-certificates", dict).data
assert listed["totalCount"] == 4, listed
# The SDK sends its JSON content type with an empty body, too.
admin.api.delete(f"/api/v1/ssh/certificate-templates/{template['id']}", dict)

for name, text in {
    "user_ca.pub": user_ca,
    "host_ca.pub": host_ca,
    "host-cert.pub": enrolled["signedKey"],
    "id_ed25519": issued["privateKey"],
    "id_ed25519.pub": issued["publicKey"],
    "id_ed25519-cert.pub": issued["signedKey"],
}.items():
    file = DIRECTORY / name
    file.write_text(text)
    file.chmod(0o600)
print("the SDK's calls succeeded")
