"""Issues certificates through API Gateway, and holds the emulator's own counts against them: one certificate is one
invocation of its family's function, and one call of kms:Sign.

Usage: counted.py STACK URL TOKEN PUBLIC_KEY
"""

import json
import sys

import boto3
import requests

stack, url, token, public_key = sys.argv[1:]
trail, logs, formation = (boto3.client(name) for name in ("cloudtrail", "logs", "cloudformation"))


def log(family):
    """What the function of a family has written, line by line."""
    resource = formation.describe_stack_resource(StackName=stack, LogicalResourceId=f"{family}Logs")
    group = resource["StackResourceDetail"]["PhysicalResourceId"]
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    return [line for page in pages for event in page["events"] for line in event["message"].splitlines()]


def invocations(family):
    """How often it has been started."""
    return sum(line.startswith("START RequestId:") for line in log(family))


def counted_as_issued(family):
    """How many certificates CloudWatch would count from the metrics in the log."""
    lines = [json.loads(line) for line in log(family) if line.startswith("{")]
    metrics = [line for line in lines if "_aws" in line and line.get("Issued") == 1]
    assert all(line["Family"] == family.lower() and line["Deployment"] for line in metrics), metrics
    return len(metrics)


def signatures():
    """The ids of the latest calls of kms:Sign, as CloudTrail has them."""
    wanted = [{"AttributeKey": "EventName", "AttributeValue": "Sign"}]
    return {event["EventId"] for event in trail.lookup_events(LookupAttributes=wanted)["Events"]}


def post(path, body, **headers):
    """The answer's body, which must be of a success."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = requests.post(f"{url}/{path}", json=body, headers=names, timeout=60)
    assert answer.ok, f"{path}: {answer.status_code} {answer.text}"
    return answer.json() if answer.text else None


def vault():
    return post("v1/counted/sign/r", {"public_key": public_key}, x_vault_token=token)["data"]["signed_key"]


def ngrok():
    body = {"ssh_certificate_authority_id": ngrok_ca, "public_key": public_key, "principals": ["root"]}
    return post("ssh_user_certificates", body, **ngrok_headers)["certificate"]


def infisical():
    body = {"loginUser": "ubuntu"}
    return post(f"api/v1/ssh/hosts/{host}/issue-user-cert", body, authorization=f"Bearer {member}")["signedKey"]


def venafi():
    body = {"CADN": template, "KeyId": "counted", "PublicKeyData": public_key, "ProcessingTimeout": 10}
    return post("vedsdk/SSHCertificates/Request", body, authorization=bearer)["CertificateData"]


bearer = f"Bearer {token}"
for path, body in {
    "sys/mounts/counted": {"type": "ssh"},
    "counted/config/ca": {"generate_signing_key": True, "key_type": "ed25519"},
    "counted/roles/r": {
        "key_type": "ca", "allow_user_certificates": True, "allowed_users": "root", "default_user": "root"
    },
}.items():  # fmt: skip
    post(f"v1/{path}", body, x_vault_token=token)

ngrok_headers = {"authorization": bearer, "ngrok_version": "2"}
ngrok_ca = post("ssh_certificate_authorities", {}, **ngrok_headers)["id"]

person = {"email": "counted@example.com", "password": "a long password"}
mapping = {"loginUser": "ubuntu", "allowedPrincipals": {"usernames": [person["email"]]}}
project = {
    "name": "counted",
    "users": [person],
    "hosts": [{"hostname": "counted.example.com", "loginMappings": [mapping]}],
}
applied = post("api/v1/countersign/apply", {"projects": [project]}, authorization=bearer)
host = applied["projects"][0]["hosts"][0]["id"]
login = post("api/v3/auth/login", person)["accessToken"]
organization = {"organizationId": applied["organizationId"]}
member = post("api/v3/auth/select-organization", organization, authorization=f"Bearer {login}")["token"]

template = post(
    "vedsdk/SSHCertificates/Template/Create",
    {
        "Name": "counted",
        "CAKeyPair": {"KeyAlgorithm": "ED25519"},
        "AccessControl": {"DefaultPrincipals": ["root"]},
        "Certificate": {"AllowedPrivateKeyAlgorithms": ["ED25519"]},
    },
    authorization=bearer,
)["DN"]

families = {"Vault": vault, "Ngrok": ngrok, "Infisical": infisical, "Venafi": venafi}
for family, issue in families.items():
    for _ in range(3):
        before, signed, issued = invocations(family), signatures(), counted_as_issued(family)
        certificate = issue()
        assert certificate.startswith("ssh-ed25519-cert-v01@openssh.com "), certificate
        assert invocations(family) == before + 1, family
        assert len(signatures() - signed) == 1, family
        assert counted_as_issued(family) == issued + 1, family
print("every certificate is one invocation and one signature")
