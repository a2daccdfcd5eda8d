"""A built stack as the JSON of a Terraform plan, which is what checkov reads. The reverse of Pulumi's naming.

https://developer.hashicorp.com/terraform/internals/json-format
"""

import base64
import re
from collections.abc import Mapping
from typing import Any

import pulumi

from tests.stacks.program import Built, Declared

# Terraform's names, where they are not aws_, the service for these, and the type in small letters.
PREFIXES = {"s3": "s3_", "sqs": "sqs_", "sns": "sns_", "iam": "iam_", "kms": "kms_", "ssm": "ssm_", "lb": "lb_"}
PREFIXES |= {"autoscaling": "autoscaling_", "cloudwatch": "cloudwatch_", "budgets": "budgets_", "vpc": "vpc_"}
PREFIXES |= {"lambda": "lambda_"}
TYPES = {
    "aws:autoscaling/lifecycleHook:LifecycleHook": "aws_autoscaling_lifecycle_hook",
    "aws:lb/loadBalancer:LoadBalancer": "aws_lb",
    "aws:s3/bucketObjectv2:BucketObjectv2": "aws_s3_object",
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": "aws_sqs_queue_redrive_allow_policy",
}
SINGULAR = {  # blocks that Terraform names in the singular, and Pulumi in the plural
    "rules": "rule",
    "tags": "tag",
    "block_device_mappings": "block_device_mappings",
    "tag_specifications": "tag_specifications",
    "default_actions": "default_action",
    "cors_rules": "cors_rule",
    "notifications": "notification",
    "transitions": "transition",
    "metric_queries": "metric_query",
    "overrides": "override",
    "step_adjustments": "step_adjustment",
}


def plan(built: Built) -> dict[str, Any]:
    """Everything that the program declared, as it would be created."""
    made = [each for each in built.declared if each.token.startswith("aws:")]
    by_name: dict[str, list[Declared]] = {}
    for each in made:
        by_name.setdefault(each.name, []).append(each)
    planned = [_planned(each) for each in made]
    return {
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": {"root_module": {"resources": planned}},
        "resource_changes": [
            {**{key: each[key] for key in ("address", "mode", "type", "name")}, "change": _creation(each)}
            for each in planned
        ],
        "configuration": {"root_module": {"resources": [_configured(each, by_name) for each in made]}},
    }


def _creation(planned: Mapping[str, Any]) -> dict[str, Any]:
    return {"actions": ["create"], "before": None, "after": planned["values"], "after_unknown": {}}


def _planned(each: Declared) -> dict[str, Any]:
    type_, name = _type(each.token), _name(each)
    values = _blocks(each.inputs)
    if each.kind == "LaunchTemplate" and isinstance(values.get("user_data"), str):
        values["user_data"] = base64.b64decode(values["user_data"]).decode()  # a scanner finds nothing in base64
    return {"address": f"{type_}.{name}", "mode": "managed", "type": type_, "name": name, "values": values}


def _configured(each: Declared, by_name: Mapping[str, list[Declared]]) -> dict[str, Any]:
    """What refers to what: checkov's graph checks follow these."""
    expressions = {}
    for prop, names in each.refers_to.items():
        behind = [f"{_type(other.token)}.{_name(other)}" for name in names for other in by_name.get(name, [])]
        expressions[_snake(prop)] = {"references": [text for found in behind for text in (f"{found}.id", found)]}
    type_, name = _type(each.token), _name(each)
    return {"address": f"{type_}.{name}", "mode": "managed", "type": type_, "name": name, "expressions": expressions}


def _blocks(value: Any) -> Any:
    """Names in small letters with _, and a block as a list of one, as Terraform has it."""
    if isinstance(value, Mapping):
        return {_block_name(key): _member(key, each) for key, each in value.items()}
    if isinstance(value, list):
        return [_blocks(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # Pulumi's wire knows no integers, and checkov judges nothing but integers in some places
    return None if isinstance(value, pulumi.Asset | pulumi.Archive) else value


def _member(key: str, value: Any) -> Any:
    if isinstance(value, Mapping) and key not in ("tags", "dimensions", "variables", "defaultTags"):
        return [_blocks(value)]
    return value if isinstance(value, Mapping) else _blocks(value)


def _block_name(key: str) -> str:
    name = _snake(key)
    return SINGULAR.get(name, name) if name != "tags" else "tags"


def _type(token: str) -> str:
    service, name = token.split(":")[1].split("/")[0], token.rpartition(":")[2]
    return TYPES.get(token) or f"aws_{PREFIXES.get(service, '')}{_snake(name)}"


def _name(each: Declared) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", each.name)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("bucketv2", "bucket")
