"""Asks the deployed Vault function for a certificate through API Gateway, with CA keys in KMS.

Usage: vault.py URL TOKEN PUBLIC_KEY PRINCIPAL

Prints one JSON object: the CA's public key, the certificate and its serial.
"""

import json
import sys

import boto3
import requests

url, token, public_key, principal = sys.argv[1:]
kms = boto3.client("kms")
session = requests.Session()


def call(method, path, body=None, *, status, with_token=True):
    headers = {"X-Vault-Token": token} if with_token else {}
    answer = session.request(method, f"{url}/v1/{path}", json=body, headers=headers, timeout=60)
    assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer


ca = kms.create_key(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
call("POST", "sys/mounts/team/ssh", {"type": "ssh"}, status=204)
ca_key = call("POST", "team/ssh/config/ca", {"managed_key_id": ca}, status=200).json()["data"]["public_key"]
call(
    "PUT",
    "team/ssh/roles/ops",
    {
        "key_type": "ca",
        "allow_user_certificates": True,
        "allowed_users": principal,
        "default_user": principal,
        "default_extensions": {"permit-pty": ""},
        "ttl": "10m",
    },
    status=204,
)
for method, path in (("GET", "team/ssh/roles?list=true"), ("LIST", "team/ssh/roles")):
    assert call(method, path, status=200).json()["data"]["keys"] == ["ops"], method

# What has no right, or is no key, is refused in Vault's shape.
refused = call("PUT", "team/ssh/sign/ops", {"public_key": public_key}, status=403, with_token=False)
assert refused.json() == {"errors": ["permission denied"]}, refused.text
refused = call("PUT", "team/ssh/sign/ops", {"public_key": "hello"}, status=400)
assert refused.json()["errors"][0].startswith("failed to parse public_key as SSH key:"), refused.text

# An Ed25519 key in KMS signs at most 4096 bytes: more is refused before anything is signed.
many = ",".join(f"{principal}-{n:040}" for n in range(120))
call("PUT", "team/ssh/roles/many", {"key_type": "ca", "allow_user_certificates": True, "allowed_users": "*"}, status=204)
refused = call("PUT", "team/ssh/sign/many", {"public_key": public_key, "valid_principals": many}, status=400)
assert "4096" in refused.json()["errors"][0], refused.text

# Keys made here never leave KMS; one that is imported is sealed under it.
for key_type in ("ssh-ed25519", "ecdsa-sha2-nistp384"):
    call("POST", "sys/mounts/made", {"type": "ssh"}, status=204)
    made = call("POST", "made/config/ca", {"generate_signing_key": True, "key_type": key_type}, status=200)
    assert made.json()["data"]["public_key"].startswith(key_type), made.text
    call("DELETE", "sys/mounts/made", status=204)


def made_and_in_use():
    def is_one(arn):
        tags = kms.list_resource_tags(KeyId=arn).get("Tags", [])
        made = {"TagKey": "countersign:managed", "TagValue": "true"} in tags
        return made and kms.describe_key(KeyId=arn)["KeyMetadata"]["Enabled"]

    return {key["KeyArn"] for key in kms.list_keys(Limit=1000)["Keys"] if is_one(key["KeyArn"])}


# Whoever may only write a mount cannot take another's CA key for it, under whatever name.
policy = 'path "sys/mounts/*" { capabilities = ["update"] } path "mine/*" { capabilities = ["create", "update"] }'
call("PUT", "sys/policies/acl/mine", {"policy": policy}, status=204)
limited = call("POST", "auth/token/create", {"policies": ["mine"]}, status=200).json()["auth"]["client_token"]
call("POST", "sys/mounts/mine", {"type": "ssh"}, status=204)
call("POST", "sys/mounts/theirs", {"type": "ssh"}, status=204)
before = made_and_in_use()
call("POST", "theirs/config/ca", {"generate_signing_key": True, "key_type": "ed25519"}, status=200)
made = made_and_in_use() - before
assert len(made) == 1, made
for theirs in (ca, *made):
    answer = session.post(
        f"{url}/v1/mine/config/ca",
        json={"managed_key_id": theirs},
        headers={"X-Vault-Token": limited},
        timeout=60,
    )
    assert answer.status_code == 403, f"{theirs}: {answer.status_code} {answer.text}"

# A key that was bound can be bound again once its mount has let go of it.
bound = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
for _ in range(2):
    call("POST", "mine/config/ca", {"managed_key_id": bound}, status=200)
    call("DELETE", "mine/config/ca", status=204)

signed = call("PUT", "team/ssh/sign/ops", {"public_key": public_key}, status=200).json()["data"]
print(json.dumps({"ca_key": ca_key, "certificate": signed["signed_key"], "serial": signed["serial_number"]}))
