"""IAM policy documents as JSON, and the statements that several components share. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from inference_service import contract

Statement = Mapping[str, Any]
Condition = Mapping[str, Mapping[str, str | Sequence[str]]]


def statement(
    actions: Sequence[str],
    resources: Sequence[str],
    *,
    effect: str = "Allow",
    principal: str | Mapping[str, str | Sequence[str]] | None = None,
    condition: Condition | None = None,
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


def tls_only(actions: Sequence[str], resources: Sequence[str]) -> Statement:
    """Refuse every call that is not encrypted on its way.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html
    """
    plain: Condition = {"Bool": {"aws:SecureTransport": "false"}}
    return statement(actions, resources, effect="Deny", principal="*", condition=plain)


def may_encrypt(key_arn: str) -> Statement:
    """Write and read objects, parameters and messages that are encrypted with a customer managed key.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    return statement(["kms:Decrypt", "kms:GenerateDataKey"], [key_arn])


def may_publish_metrics(namespace: str = contract.NAMESPACE_WARMFLEET) -> Statement:
    """PutMetricData takes no resource; the namespace narrows it.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/iam-cw-condition-keys-namespace.html
    """
    ours: Condition = {"StringEquals": {"cloudwatch:namespace": namespace}}
    return statement(["cloudwatch:PutMetricData"], ["*"], condition=ours)
