"""The deployed functions with a KMS that fails or throttles, and a DynamoDB that does: Vault and ngrok answer with an
error that says to try again, and no certificate leaves without its record.

Usage: faults.py STACK URL TOKEN PUBLIC_KEY PREFIX

The doubles listen on loopback. A function reaches them through AWS_ENDPOINT_URL_KMS or AWS_ENDPOINT_URL_DYNAMODB in its
environment, as an operator could set it; what a double does not fail it passes on.
"""

import http.client
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import boto3
import requests

stack, url, token, public_key, prefix = sys.argv[1:]
functions, formation, tables = (boto3.client(name) for name in ("lambda", "cloudformation", "dynamodb"))
emulator = urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
bearer = {"Authorization": f"Bearer {token}", "ngrok-version": "2"}


class Double(ThreadingHTTPServer):
    """Answers the actions in `failing` with an error, and passes everything else on."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.failing = {}
        self.asked = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        action = self.headers["X-Amz-Target"].split(".")[-1]
        self.server.asked.append(action)
        failing = self.server.failing.get(action)
        status, answer = failing(json.loads(body)) if failing else self.passed_on(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def passed_on(self, body):
        upstream = http.client.HTTPConnection(emulator, timeout=60)
        upstream.request("POST", "/", body, dict(self.headers))
        answer = upstream.getresponse()
        return answer.status, answer.read()

    def log_message(self, *_):
        pass


def error(status, code, **more):
    answer = json.dumps({"__type": code, "message": "a fault asked for by a test", **more}).encode()
    return lambda request: (status, answer)


def condition_failed(request):
    """What DynamoDB answers to one write, or to several together, whose condition does not hold."""
    if "TransactItems" not in request:
        return error(400, "ConditionalCheckFailedException")(request)
    reasons = [{"Code": "None"} for _ in request["TransactItems"]]
    reasons[0] = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
    return error(400, "TransactionCanceledException", CancellationReasons=reasons)(request)


def function(family):
    resource = formation.describe_stack_resource(StackName=stack, LogicalResourceId=f"{family}Function")
    return resource["StackResourceDetail"]["PhysicalResourceId"]


def with_environment(family, **more):
    """Sets these variables of a function beside its own; gives back what it had."""
    name = function(family)
    had = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {**had, **more}})
    return had


def records():
    count, start = 0, {}
    while True:
        page = tables.scan(TableName=f"{prefix}-certificates", Select="COUNT", ConsistentRead=True, **start)
        count += page["Count"]
        if "LastEvaluatedKey" not in page:
            return count
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def vault():
    headers = {"X-Vault-Token": token}
    return requests.put(f"{url}/v1/counted/sign/r", json={"public_key": public_key}, headers=headers, timeout=60)


def ngrok():
    body = {"ssh_certificate_authority_id": ngrok_ca, "public_key": public_key, "principals": ["root"]}
    return requests.post(f"{url}/ssh_user_certificates", json=body, headers=bearer, timeout=60)


def in_vaults_words(text):
    return {"errors": [text]}


def in_ngroks_words(status, msg, **more):
    return {"status_code": status, "msg": msg, "details": {}, **more}


def said(answer):
    """The body, without the id of the request."""
    body = answer.json()
    if "details" in body:
        assert body["details"].pop("operation_id").startswith("op_"), answer.text
    return body


ngrok_ca = requests.post(f"{url}/ssh_certificate_authorities", json={}, headers=bearer, timeout=60).json()["id"]
kms, dynamodb = Double(), Double()
vaults = {
    429: in_vaults_words("too many requests; try again later"),
    503: in_vaults_words("a service that this request needs is unavailable; try again"),
}
ngroks = {
    409: in_ngroks_words(409, "The certificate was changed by another request while it was made; try again."),
    429: in_ngroks_words(429, "Too many requests. Try again later.", error_code="ERR_NGROK_226"),
    503: in_ngroks_words(503, "A service that this request needs is unavailable. Try again."),
}
for family, issue, words, conflict in (("Vault", vault, vaults, 503), ("Ngrok", ngrok, ngroks, 409)):
    had = with_environment(family, AWS_ENDPOINT_URL_KMS=kms.url, AWS_ENDPOINT_URL_DYNAMODB=dynamodb.url)
    assert issue().ok, "through the doubles it works"
    assert "Sign" in kms.asked and dynamodb.asked, "the function asks the doubles"
    for double, action, fault, status in (
        (kms, "Sign", error(500, "KMSInternalException"), 503),
        (kms, "Sign", error(400, "ThrottlingException"), 429),
        (dynamodb, "BatchGetItem", error(400, "ProvisionedThroughputExceededException"), 429),
        (dynamodb, "BatchGetItem", error(500, "InternalServerError"), 503),
    ):
        double.failing = {action: fault}
        answer = issue()
        assert answer.status_code == status, f"{family} {action} {fault}: {answer.status_code} {answer.text}"
        assert said(answer) == words[status], answer.text
        double.failing = {}
    # No record, no certificate: and the signer is not even asked.
    for action in ("PutItem", "TransactWriteItems"):
        dynamodb.failing[action] = condition_failed
    kms.asked.clear()
    before = records()
    answer = issue()
    assert answer.status_code == conflict and said(answer) == words[conflict], f"{answer.status_code} {answer.text}"
    assert "Sign" not in kms.asked and records() == before, f"{family}: {kms.asked}"
    dynamodb.failing = {}
    assert issue().ok, "and then it works again"
    name = function(family)
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": had})
print("every failure says to try again, and leaves no certificate without its record")
