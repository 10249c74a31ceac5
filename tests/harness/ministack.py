"""A key made on one MiniStack signs there, and is unknown to the other."""

import sys

import boto3
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.serialization import load_der_public_key


def kms_at(endpoint):
    return boto3.client(
        "kms",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


first, second = map(kms_at, sys.argv[1:])
key_id = first.create_key(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
signed = first.sign(KeyId=key_id, Message=b"message", MessageType="RAW", SigningAlgorithm="ED25519_SHA_512")
load_der_public_key(first.get_public_key(KeyId=key_id)["PublicKey"]).verify(signed["Signature"], b"message")
try:
    second.describe_key(KeyId=key_id)
except ClientError as error:
    assert error.response["Error"]["Code"] == "NotFoundException", error
else:
    sys.exit("the second MiniStack knows a key of the first")
