"""What the emulator honours of the template's protection, and a change of the stack that keeps its data.

Usage: honoured.py STACK PREFIX
"""

import json
import os
import sys

import boto3
import yaml
from botocore.exceptions import ClientError

stack, prefix = sys.argv[1:]
tables, formation = boto3.client("dynamodb"), boto3.client("cloudformation")


def refused(call, *codes, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] in codes, error
    else:
        sys.exit(f"{call} {arguments} was not refused")


def counts():
    names = [f"{prefix}-{suffix}" for suffix in ("access", "certificates", "roles")]
    return [tables.scan(TableName=name, Select="COUNT")["Count"] for name in names]


before = counts()
assert all(before), before
for suffix in ("access", "certificates", "roles"):
    refused(tables.delete_table, "ValidationException", TableName=f"{prefix}-{suffix}")
formation.update_termination_protection(StackName=stack, EnableTerminationProtection=True)
refused(formation.delete_stack, "ValidationError", StackName=stack)
formation.update_termination_protection(StackName=stack, EnableTerminationProtection=False)

# The same template with one parameter more, as an upgrade brings it.
body = formation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
template = body if isinstance(body, dict) else yaml.safe_load(body)
template["Parameters"]["Added"] = {"Type": "String", "Default": "new"}
template["Outputs"]["Added"] = {"Value": {"Ref": "Added"}}
known = [
    {"ParameterKey": parameter["ParameterKey"], "UsePreviousValue": True}
    for parameter in formation.describe_stacks(StackName=stack)["Stacks"][0]["Parameters"]
]
# Too long to be sent along, as it is for `sam deploy`.
boto3.client("s3").create_bucket(Bucket=f"{stack}-templates")
boto3.client("s3").put_object(Bucket=f"{stack}-templates", Key="added.json", Body=json.dumps(template).encode())
formation.update_stack(
    StackName=stack,
    TemplateURL=f"{os.environ['AWS_ENDPOINT_URL']}/{stack}-templates/added.json",
    Parameters=known,
    Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
)
formation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
outputs = formation.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
assert {"OutputKey": "Added", "OutputValue": "new"} in [
    {name: output[name] for name in ("OutputKey", "OutputValue")} for output in outputs
], outputs
assert counts() == before
print("protected tables stay, and so does what is in them")
