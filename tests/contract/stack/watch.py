"""One function under `cargo lambda watch`, as infra/README.md describes it, over the tables and keys of the stack: what
was built already, started by hand, so that the test need not build it a third time.

Usage: watch.py PACKAGE STACK PREFIX TOKEN
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import zipfile

import boto3
import requests

package, stack, prefix, token = sys.argv[1:]
outputs = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
sealing_key = next(output["OutputValue"] for output in outputs if output["OutputKey"] == "SealingKeyArn")
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
url = f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def running(*command, **environment):
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=sys.stderr
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def is_listening():
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def wait_until(ready, what):
    for _ in range(600):
        if ready():
            return
        time.sleep(0.1)
    sys.exit(f"{what} is not ready")


def is_ready():
    with contextlib.suppress(requests.RequestException):
        return requests.get(f"{url}/v1/sys/health", timeout=2).status_code == 200
    return False


with tempfile.TemporaryDirectory() as directory:
    with zipfile.ZipFile(package) as archive:
        function = archive.extract("bootstrap", directory)
    os.chmod(function, 0o755)
    watch = (os.path.join(os.path.dirname(sys.executable), "cargo-lambda"), "lambda", "watch")
    address = ("--invoke-address", "127.0.0.1", "--invoke-port", str(port))
    runtime = {
        "AWS_LAMBDA_RUNTIME_API": f"{url}/.rt",
        "AWS_LAMBDA_FUNCTION_NAME": "_",
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "COUNTERSIGN_TABLE_PREFIX": prefix,
        "COUNTERSIGN_SEALING_KEY": sealing_key,
    }
    with contextlib.ExitStack() as processes:
        processes.enter_context(running(*watch, "--only-lambda-apis", "--ignore-changes", *address))
        # A function that finds no runtime ends at once.
        wait_until(is_listening, "cargo lambda watch")
        processes.enter_context(running(function, **runtime))
        wait_until(is_ready, "the function")
        headers = {"X-Vault-Token": token}
        listed = requests.request("LIST", f"{url}/v1/counted/roles", headers=headers, timeout=30)
        assert listed.json()["data"]["keys"] == ["r"], listed.text
        # A body of almost a megabyte, our own limit, arrives whole: its last member is read.
        body = {"filler": "x" * ((1 << 20) - 4096), "public_key": "none"}
        refused = requests.put(f"{url}/v1/counted/sign/r", json=body, headers=headers, timeout=30)
        assert refused.status_code == 400, refused.status_code
        assert "failed to parse public_key as SSH key" in refused.text, refused.text[:200]
print("a function under cargo lambda watch answers LIST, and reads large bodies")
