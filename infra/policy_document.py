"""IAM policy documents as JSON. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Statement = Mapping[str, Any]


def statement(
    actions: Sequence[str],
    resources: Sequence[str],
    *,
    effect: str = "Allow",
    principal: str | Mapping[str, str] | None = None,
    condition: Mapping[str, Mapping[str, str]] | None = None,
) -> Statement:
    """One statement (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html)."""
    made: dict[str, Any] = {"Effect": effect, "Action": list(actions)}
    made |= {"Principal": principal} if principal else {}
    made |= {"Resource": list(resources)} if resources else {}
    made |= {"Condition": condition} if condition else {}
    return made


def to_json(*statements: Statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def assumed_by(service: str) -> str:
    """The trust policy of a role for an AWS service, such as ec2.amazonaws.com."""
    return to_json(statement(["sts:AssumeRole"], [], principal={"Service": service}))
