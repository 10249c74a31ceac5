"""Prints the keys of the tables in infra/template.yaml as JSON, in the shape of shared/src/store/keys.rs.

Usage: tables.py TEMPLATE
"""

import json
import sys

import yaml


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short intrinsics, whose values do not matter here."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None)


def keys(schema):
    by_type = {key["KeyType"]: key["AttributeName"] for key in schema}
    return [by_type["HASH"], by_type["RANGE"]]


with open(sys.argv[1]) as file:
    resources = yaml.load(file, Loader)["Resources"]

tables = {}
for resource in resources.values():
    if resource["Type"] != "AWS::DynamoDB::Table":
        continue
    table = resource["Properties"]
    assert all(attribute["AttributeType"] == "S" for attribute in table["AttributeDefinitions"])
    tables[table["TableName"].removeprefix("${TablePrefix}-")] = {
        "keys": keys(table["KeySchema"]),
        "ttl": table["TimeToLiveSpecification"]["AttributeName"],
        "indexes": {
            index["IndexName"]: keys(index["KeySchema"])
            for index in table.get("GlobalSecondaryIndexes", [])
            if index["Projection"]["ProjectionType"] == "ALL"
        },
        "protected": table["DeletionProtectionEnabled"]
        and table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
        and table["SSESpecification"]["SSEEnabled"],
    }
print(json.dumps(tables))
