"""What the roles of the template may do, tried on an emulator that enforces IAM.

Usage: roles.py TEMPLATE_AS_JSON BOUND LISTING, with AWS_ENDPOINT_URL at an emulator with AUTH=true. BOUND are the roles
that may sign with keys that an operator made, LISTING those that may read the index of certificates (with commas).

The emulator knows no kms:SigningAlgorithm, kms:MessageType, kms:EncryptionContext and kms:KeyUsage, and denies what
depends on them: those conditions are left out here, and asserted on the template instead.
"""

import json
import os
import sys

import boto3
from botocore.exceptions import ClientError

ACCOUNT, REGION, PREFIX = "000000000000", os.environ["AWS_DEFAULT_REGION"], "tried"
UNKNOWN = ("kms:SigningAlgorithm", "kms:MessageType", "kms:EncryptionContext:", "kms:KeyUsage")
BOUND, LISTING = (roles.split(",") for roles in sys.argv[2:])

with open(sys.argv[1]) as file:
    resources = json.load(file)["Resources"]
root_kms, root_dynamodb, iam, sts = map(boto3.client, ("kms", "dynamodb", "iam", "sts"))
sealing_key = root_kms.create_key()["KeyMetadata"]["Arn"]
arns = {"SealingKey": sealing_key}
for name in ("Access", "Certificates", "Roles"):
    table = f"{PREFIX}-{name.lower()}"
    declared = resources[f"{name}Table"]["Properties"]
    members = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    root_dynamodb.create_table(
        TableName=table, **{member: declared[member] for member in members if member in declared}
    )
    arns[f"{name}Table"] = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}"
root_dynamodb.create_table(
    TableName="another",
    BillingMode="PAY_PER_REQUEST",
    AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
)


def resolved(value):
    """A policy of the template with what its intrinsics stand for."""
    if isinstance(value, list):
        return [item for item in map(resolved, value) if item is not None]
    if not isinstance(value, dict):
        return value
    if "Fn::If" in value:
        condition, then, otherwise = value["Fn::If"]
        # The stack makes its sealing key, and the function is in no VPC.
        return resolved({"MakesSealingKey": then, "HasSubnets": otherwise}[condition])
    if value == {"Ref": "AWS::NoValue"}:
        return None
    if "Fn::GetAtt" in value:
        name = value["Fn::GetAtt"][0]
        return arns.get(name, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*")
    if "Fn::Sub" in value:
        text = value["Fn::Sub"]
        for name, stands_for in {
            "AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": ACCOUNT,
            "CertificatesTable.Arn": arns["CertificatesTable"],
        }.items():  # fmt: skip
            text = text.replace(f"${{{name}}}", stands_for)
        assert "${" not in text, text
        return text
    return {
        name: resolved(item) for name, item in value.items() if not name.startswith(UNKNOWN)
    }


def clients_of(role):
    name = f"{PREFIX}-{role}"
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    for policy in resources[role]["Properties"]["Policies"]:
        document = resolved(policy["PolicyDocument"])
        for statement in document["Statement"]:
            conditions = statement.get("Condition", {})
            for operator in [name for name, keys in conditions.items() if not keys]:
                del conditions[operator]
            if not conditions:
                statement.pop("Condition", None)
        iam.put_role_policy(
            RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=json.dumps(document)
        )
    session = sts.assume_role(RoleArn=arn, RoleSessionName="tried")["Credentials"]
    own = dict(
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    return [boto3.client(service, **own) for service in ("kms", "dynamodb", "iam")]


def denied(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert code in ("AccessDeniedException", "AccessDenied"), f"{role} {call.__name__}: {error}"
    else:
        sys.exit(f"{role} may {call.__name__} {arguments}")


SIGN = dict(Message=b"m", MessageType="RAW", SigningAlgorithm="ED25519_SHA_512")
ED25519 = dict(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")


def key(*tags):
    tags = [{"TagKey": f"countersign:{tag}", "TagValue": "true"} for tag in tags]
    return root_kms.create_key(**ED25519, Tags=tags)["KeyMetadata"]["Arn"]


somebodys, made, bound = key(), key("managed"), key("bound")
item = {"pk": {"S": "p"}, "sk": {"S": "s"}}
for role in sorted(name for name, resource in resources.items() if resource["Type"] == "AWS::IAM::Role"):
    kms, dynamodb, own_iam = clients_of(role)
    for name in ("access", "certificates", "roles"):
        table = f"{PREFIX}-{name}"
        dynamodb.put_item(TableName=table, Item=item)
        dynamodb.get_item(TableName=table, Key=item)
        dynamodb.batch_get_item(RequestItems={table: {"Keys": [item]}})
        dynamodb.transact_write_items(TransactItems=[{"Delete": {"TableName": table, "Key": item}}])
        for call in (dynamodb.scan, dynamodb.delete_table, dynamodb.describe_continuous_backups):
            denied(call, TableName=table)
        denied(dynamodb.update_item, TableName=table, Key=item)
    index = dict(
        TableName=f"{PREFIX}-certificates",
        IndexName="listing",
        KeyConditionExpression="listing_pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "p"}},
    )
    if role in LISTING:
        dynamodb.query(**index)
    else:
        denied(dynamodb.query, **index)
    denied(dynamodb.put_item, TableName="another", Item={"pk": {"S": "p"}})
    denied(dynamodb.list_tables)
    denied(own_iam.list_roles)

    assert kms.sign(KeyId=made, **SIGN)["Signature"]
    if role in BOUND:
        assert kms.sign(KeyId=bound, **SIGN)["Signature"]
    else:
        denied(kms.sign, KeyId=bound, **SIGN)
    denied(kms.sign, KeyId=somebodys, **SIGN)
    for call in (kms.schedule_key_deletion, kms.enable_key, kms.list_grants):
        denied(call, KeyId=made)
    denied(kms.put_key_policy, KeyId=made, Policy="{}")
    denied(kms.disable_key, KeyId=bound)
    denied(kms.create_key, **ED25519)
    actions = str(resources[role])
    tags = [{"TagKey": f"countersign:{tag}", "TagValue": "true"} for tag in ("managed", "authority")]
    if "kms:CreateKey" in actions:
        arn = kms.create_key(**ED25519, Tags=tags)["KeyMetadata"]["Arn"]
        kms.get_public_key(KeyId=arn)
        kms.disable_key(KeyId=arn)
        other = [{"TagKey": "countersign:bound", "TagValue": "true"}]
        denied(kms.create_key, **ED25519, Tags=tags + other)
    else:
        denied(kms.create_key, **ED25519, Tags=tags)
    if "kms:Encrypt'" in actions:
        kms.encrypt(KeyId=sealing_key, Plaintext=b"x")
    else:
        denied(kms.encrypt, KeyId=sealing_key, Plaintext=b"x")
    sealed = root_kms.encrypt(KeyId=sealing_key, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(KeyId=sealing_key, CiphertextBlob=sealed)["Plaintext"] == b"x"
print("every role may do its work and nothing else that was tried")
