"""Callers whom API Gateway authenticates, on the deployed stack: a role of AWS by its signature, and a workload by its JSON
web token. Neither has a token of Countersign; both are nobody until they are admitted.

Usage: callers.py STACK URL PREFIX PUBLIC_KEY COUNTERSIGN

The stack is updated by the parameters that turn the authorisers on, and back. The emulator looks at who signed, and not
at the signature; the JSON web token's signature it does look at.
"""

import base64
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

stack, url, prefix, public_key, countersign = sys.argv[1:]
formation, iam, sts = (boto3.client(name) for name in ("cloudformation", "iam", "sts"))
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Issuer(BaseHTTPRequestHandler):
    """Publishes the key, as an issuer of tokens does."""

    def do_GET(self):
        public = key.public_key().public_numbers()
        jwk = {"kty": "RSA", "kid": "one", "alg": "RS256", "use": "sig", "n": number(public.n), "e": number(public.e)}
        documents = {
            "/.well-known/openid-configuration": {"issuer": issuer, "jwks_uri": f"{issuer}/keys"},
            "/keys": {"keys": [jwk]},
        }
        body = json.dumps(documents.get(self.path, {})).encode()
        self.send_response(200 if self.path in documents else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
issuer = f"http://127.0.0.1:{server.server_port}"
threading.Thread(target=server.serve_forever, daemon=True).start()


def token(**claims):
    claims = {"iss": issuer, "aud": "countersign", "exp": int(time.time()) + 600, **claims}
    head = {"alg": "RS256", "kid": "one", "typ": "JWT"}
    text = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
    return f"{text}.{base64url(key.sign(text.encode(), padding.PKCS1v15(), SHA256()))}"


def updated(**parameters):
    """Updates the stack by these parameters alone."""
    known = formation.describe_stacks(StackName=stack)["Stacks"][0]["Parameters"]
    rest = [
        {"ParameterKey": parameter["ParameterKey"], "UsePreviousValue": True}
        for parameter in known
        if parameter["ParameterKey"] not in parameters
    ]
    new = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    formation.update_stack(
        StackName=stack,
        UsePreviousTemplate=True,
        Parameters=rest + new,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    formation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 120})


def operator(*arguments):
    subprocess.run([countersign, *arguments, "--table-prefix", prefix], check=True, capture_output=True, timeout=60)


def asked(authorization):
    """Asks the role that counted.py has made for a certificate."""
    headers = {"Content-Type": "application/json", **authorization}
    return requests.put(f"{url}/v1/counted/sign/r", json={"public_key": public_key}, headers=headers, timeout=60)


def signed_by(credentials):
    request = AWSRequest("PUT", f"{url}/v1/counted/sign/r", data=json.dumps({"public_key": public_key}))
    SigV4Auth(credentials, "execute-api", "us-east-1").add_auth(request)
    return dict(request.headers)


def expect(answer, status, errors=None):
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    assert errors is None or answer.json() == errors, answer.text
    assert ("cert-v01" in answer.text) == (status == 200), answer.text


nobody = {"errors": ["permission denied"]}
policy = subprocess.run(
    [countersign, "policy", "write", "callers", "-", "--table-prefix", prefix],
    input='path "counted/sign/r" { capabilities = ["update"] }',
    text=True,
    capture_output=True,
    timeout=60,
)
assert policy.returncode == 0, policy.stderr

trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
role = iam.create_role(RoleName="deployer", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
session = sts.assume_role(RoleArn=role, RoleSessionName="run-7")["Credentials"]
session = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])

updated(VaultAuthorization="AWS_IAM")
expect(asked({}), 403, {"message": "Forbidden"})
expect(asked(signed_by(session)), 403, nobody)
operator("admission", "create", "--iam", role, "--policy", "callers")
expect(asked(signed_by(session)), 200)
expect(asked({"Authorization": "Bearer " + token(sub="alice")}), 403)

updated(VaultAuthorization="JWT", JwtIssuer=issuer)
expect(asked({}), 401, {"message": "Unauthorized"})
workload = {"Authorization": f"Bearer {token(sub='ci', repository='acme/deploy')}"}
expect(asked(workload), 403, nobody)
operator(
    "admission", "create", "--jwt-issuer", issuer, "--claim", "repository=acme/deploy", "--policy", "callers"
)
expect(asked(workload), 200)
expect(asked({"Authorization": f"Bearer {token(sub='ci', repository='acme/other')}"}), 403, nobody)
expect(asked({"Authorization": workload["Authorization"][:-8] + "AAAAAAAA"}), 401, {"message": "Unauthorized"})

updated(VaultAuthorization="NONE", JwtIssuer="")
expect(asked(workload), 403)
print("who the gateway knows and the operator admits needs no token")
