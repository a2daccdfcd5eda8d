"""Queues, topics and keys: encrypted, and for whom; and who may use what has a policy of its own."""

from collections.abc import Iterator
from typing import Any

from localcloud.aws.in_process import LocalAws
from tests.audit.controls import buckets
from tests.audit.controls.control import Control, Seen, unless
from tests.audit.controls.statements import public


def queues(aws: LocalAws) -> Iterator[tuple[str, Any]]:
    sqs = aws.client("sqs")
    for url in sqs.list_queues().get("QueueUrls", []):
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        yield f"queue {url.rpartition('/')[2]}", attributes


def topics(aws: LocalAws) -> Iterator[tuple[str, Any]]:
    sns = aws.client("sns")
    for each in sns.list_topics()["Topics"]:
        attributes = sns.get_topic_attributes(TopicArn=each["TopicArn"])["Attributes"]
        yield f"topic {each['TopicArn'].rpartition(':')[2]}", attributes


def keys(aws: LocalAws) -> Iterator[tuple[str, Any]]:
    """Those of the customer."""
    kms = aws.client("kms")
    for each in kms.list_keys()["Keys"]:
        found = kms.describe_key(KeyId=each["KeyId"])["KeyMetadata"]
        if found["KeyManager"] == "CUSTOMER":
            yield f"key {each['KeyId']}", found


def queues_are_encrypted(aws: LocalAws) -> Iterator[Seen]:
    for label, each in queues(aws):
        encrypted = each.get("KmsMasterKeyId") or each.get("SqsManagedSseEnabled") == "true"
        yield label, unless(encrypted, "keeps messages in the clear")


def topics_are_encrypted(aws: LocalAws) -> Iterator[Seen]:
    for label, each in topics(aws):
        yield label, unless(each.get("KmsMasterKeyId"), "is not encrypted by a key in KMS")


def topics_are_not_public(aws: LocalAws) -> Iterator[Seen]:
    for label, each in topics(aws):
        yield label, unless(not public(each.get("Policy")), "is open to everybody")


def keys_are_kept(aws: LocalAws) -> Iterator[Seen]:
    for label, each in keys(aws):
        yield label, unless(each["KeyState"] != "PendingDeletion", "is about to be deleted")


def keys_rotate(aws: LocalAws) -> Iterator[Seen]:
    for label, each in keys(aws):
        if each["KeyState"] != "PendingDeletion":
            rotates = aws.client("kms").get_key_rotation_status(KeyId=each["KeyId"])["KeyRotationEnabled"]
            yield label, unless(rotates, "is never rotated")


def keys_are_not_public(aws: LocalAws) -> Iterator[Seen]:
    for label, policy in _key_policies(aws):
        yield label, unless(not public(policy), "is open to everybody")


def _key_policies(aws: LocalAws) -> Iterator[tuple[str, str]]:
    for label, each in keys(aws):
        yield label, aws.client("kms").get_key_policy(KeyId=each["KeyId"], PolicyName="default")["Policy"]


def no_policy_is_for_everybody(aws: LocalAws) -> Iterator[Seen]:
    policies: list[tuple[str, str | None]] = [*_key_policies(aws)]
    policies += [(f"bucket {name}", buckets.policy_of(aws, name)) for name in buckets.names(aws)]
    policies += [(label, each.get("Policy")) for label, each in (*queues(aws), *topics(aws))]
    for label, policy in policies:
        yield label, unless(not public(policy), "is open to everybody")


CONTROLS = (
    Control("SQS.1", "Queues are encrypted", queues_are_encrypted),
    Control("SNS.1", "Topics are encrypted by a key in KMS", topics_are_encrypted),
    Control("SNS.4", "Topics are not public", topics_are_not_public),
    Control("KMS.3", "Keys are not about to be deleted", keys_are_kept),
    Control("KMS.4", "Keys rotate", keys_rotate),
    Control("KMS.5", "Keys are not public", keys_are_not_public),
    Control("CIS 2.21", "No resource's policy is for everybody", no_policy_is_for_everybody),
    Control("CIS 4.6", "Keys rotate", keys_rotate),
)
