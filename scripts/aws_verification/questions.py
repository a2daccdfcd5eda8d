"""What is asked of AWS, and of the local cloud, once a node of the stack serves. Nothing here changes what stands.

Each asks what a program of ours decides by: the state of groups and nodes, and how AWS refuses.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from inference_service import contract


class Clients(Protocol):
    """Gives a boto3 client by the name of its service."""

    def client(self, service: str) -> Any: ...


@dataclass(frozen=True)
class Subject:
    """The stack that is asked about."""

    environment: str
    bucket: str
    group: str
    queue_url: str


Question = Callable[[Clients, Subject], Any]
UNKNOWN_INSTANCE = "i-00000000000000000"


def _groups(aws: Clients, of: Subject) -> Any:
    return aws.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[of.group])


def _hooks(aws: Clients, of: Subject) -> Any:
    return aws.client("autoscaling").describe_lifecycle_hooks(AutoScalingGroupName=of.group)


def _activities(aws: Clients, of: Subject) -> Any:
    return aws.client("autoscaling").describe_scaling_activities(AutoScalingGroupName=of.group)


def _instances(aws: Clients, of: Subject) -> Any:
    filters = [
        {"Name": f"tag:{contract.TAG_ENVIRONMENT}", "Values": [of.environment]},
        {"Name": f"tag:{contract.TAG_ROLE}", "Values": [contract.ROLE_NODE]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    return aws.client("ec2").describe_instances(Filters=filters)


def _queue(aws: Clients, of: Subject) -> Any:
    return aws.client("sqs").get_queue_attributes(QueueUrl=of.queue_url, AttributeNames=["All"])


def _action_that_nothing_waits_for(aws: Clients, of: Subject) -> Any:
    return aws.client("autoscaling").complete_lifecycle_action(
        AutoScalingGroupName=of.group,
        LifecycleHookName="nobody",
        LifecycleActionResult="CONTINUE",
        InstanceId=UNKNOWN_INSTANCE,
    )


def _capacity_above_the_maximum(aws: Clients, of: Subject) -> Any:
    return aws.client("autoscaling").set_desired_capacity(AutoScalingGroupName=of.group, DesiredCapacity=10_000)


def _warm_pool_for_spot(aws: Clients, of: Subject) -> Any:
    return aws.client("autoscaling").put_warm_pool(AutoScalingGroupName=of.group, MinSize=0)


def _wrong_checksum(aws: Clients, of: Subject) -> Any:
    return aws.client("s3").put_object(Bucket=of.bucket, Key="jobs/verify", Body=b"a", ChecksumSHA256="A" * 43 + "=")


def _write_over_a_manifest(aws: Clients, of: Subject) -> Any:
    found = aws.client("s3").list_objects_v2(Bucket=of.bucket, Prefix="models/", MaxKeys=1)["Contents"][0]["Key"]
    return aws.client("s3").put_object(Bucket=of.bucket, Key=found, Body=b"a", IfNoneMatch="*")


QUESTIONS: Mapping[str, Question] = {
    "groups": _groups,
    "hooks": _hooks,
    "activities": _activities,
    "instances": _instances,
    "queue": _queue,
    "refused-action": _action_that_nothing_waits_for,
    "refused-capacity": _capacity_above_the_maximum,
    "refused-warm-pool": _warm_pool_for_spot,
    "refused-checksum": _wrong_checksum,
    "refused-overwriting": _write_over_a_manifest,
}


def answer(question: Question, aws: Clients, of: Subject) -> Any:
    """The reply, or the error with its HTTP status: what a client sees."""
    from botocore.exceptions import ClientError

    try:
        return question(aws, of)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return {"Error": error.response["Error"], f"Status{status}": True}
