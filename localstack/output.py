"""Prints one output of a stack. Usage: output.py STACK NAME"""

import os
import sys

import boto3

stack, name = sys.argv[1:]
# boto3 alone would look for AWS_DEFAULT_REGION.
cloudformation = boto3.client("cloudformation", region_name=os.environ.get("AWS_REGION"))
outputs = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
print(next(output["OutputValue"] for output in outputs if output["OutputKey"] == name))
