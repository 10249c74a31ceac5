"""Prints a CloudFormation template as JSON, with the short intrinsics spelled out.

Usage: template.py TEMPLATE
"""

import json
import sys

import yaml


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short intrinsics."""


def intrinsic(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", intrinsic)

with open(sys.argv[1]) as file:
    json.dump(yaml.load(file, Loader), sys.stdout, default=str)
