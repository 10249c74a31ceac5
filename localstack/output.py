"""Prints one output of a stack. Usage: output.py STACK NAME"""

import sys

import boto3

stack, name = sys.argv[1:]
outputs = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
print(next(output["OutputValue"] for output in outputs if output["OutputKey"] == name))
