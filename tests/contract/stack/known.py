"""Whether a deployment answers at a URL, and knows a token.

Usage: known.py URL TOKEN
"""

import sys

import requests

url, token = sys.argv[1:]
answer = requests.get(f"{url}/v1/auth/token/lookup-self", headers={"X-Vault-Token": token}, timeout=60)
assert answer.status_code == 200 and answer.json()["data"]["policies"] == ["root"], f"{answer.status_code} {answer.text}"
