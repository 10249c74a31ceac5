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


def vault():
    answer = requests.put(
        f"{url}/v1/counted/sign/r",
        json={"public_key": public_key},
        headers={"X-Vault-Token": token},
        timeout=60,
    )
    return answer.json()["data"]["signed_key"]


def ngrok():
    body = {"ssh_certificate_authority_id": ngrok_ca, "public_key": public_key, "principals": ["root"]}
    answer = requests.post(f"{url}/ssh_user_certificates", json=body, headers=bearer, timeout=60)
    return answer.json()["certificate"]


bearer = {"Authorization": f"Bearer {token}", "ngrok-version": "2"}
for path, body in {
    "sys/mounts/counted": {"type": "ssh"},
    "counted/config/ca": {"generate_signing_key": True, "key_type": "ed25519"},
    "counted/roles/r": {
        "key_type": "ca", "allow_user_certificates": True, "allowed_users": "root", "default_user": "root"
    },
}.items():  # fmt: skip
    answer = requests.post(f"{url}/v1/{path}", json=body, headers={"X-Vault-Token": token}, timeout=60)
    assert answer.ok, answer.text
answer = requests.post(f"{url}/ssh_certificate_authorities", json={}, headers=bearer, timeout=60)
ngrok_ca = answer.json()["id"]

for family, issue in {"Vault": vault, "Ngrok": ngrok}.items():
    for _ in range(3):
        before, signed, issued = invocations(family), signatures(), counted_as_issued(family)
        certificate = issue()
        assert certificate.startswith("ssh-ed25519-cert-v01@openssh.com "), certificate
        assert invocations(family) == before + 1, family
        assert len(signatures() - signed) == 1, family
        assert counted_as_issued(family) == issued + 1, family
print("every certificate is one invocation and one signature")
