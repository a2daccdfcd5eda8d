"""A node beyond repair is replaced by its group; many at once are not: then the check is suspected first."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from inference_service import contract
from inference_service.node.metadata import Identity
from inference_service.node.replacement import WINDOW, Replaced, Replacement, refusal

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def replaced(count: int, age: timedelta = timedelta(0)) -> list[Replaced]:
    return [Replaced(f"i-{number}", NOW - age) for number in range(count)]


@pytest.mark.parametrize(("nodes", "most"), [(1, 1), (5, 1), (19, 1), (20, 2), (100, 10)])
def test_a_tenth_of_the_nodes_and_at_least_one_may_be_replaced_in_ten_minutes(nodes: int, most: int):
    assert refusal(replaced(most - 1), nodes, NOW) is None
    reason = refusal(replaced(most), nodes, NOW)
    assert reason is not None
    assert f"the limit is {most}" in reason
    assert refusal(replaced(most, WINDOW), nodes, NOW) is None


class Group:
    """A group of three nodes in moto, and the bucket beside it."""

    def __init__(self) -> None:
        self.s3, self.autoscaling = boto3.client("s3", "us-east-1"), boto3.client("autoscaling", "us-east-1")
        self.s3.create_bucket(Bucket="models")
        image = boto3.client("ec2", "us-east-1").describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        self.autoscaling.create_launch_configuration(
            LaunchConfigurationName="l", ImageId=image, InstanceType="c7i.xlarge"
        )
        self.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName="g",
            LaunchConfigurationName="l",
            MinSize=3,
            MaxSize=3,
            AvailabilityZones=["us-east-1a"],
        )
        self.instances: list[str] = [each["InstanceId"] for each in self._described()]

    def replacement(self, number: int, now: datetime = NOW, s3: Any = None) -> Replacement:
        identity = Identity(self.instances[number], "g")
        return Replacement(s3 or self.s3, self.autoscaling, "models", identity, lambda: now)

    def unhealthy(self) -> list[str]:
        return [each["InstanceId"] for each in self._described() if each["HealthStatus"].upper() == "UNHEALTHY"]

    def counted(self) -> list[str]:
        body = self.s3.get_object(Bucket="models", Key=contract.replacements_key("g"))["Body"].read()
        return [each["instance_id"] for each in json.loads(body)]

    def _described(self) -> list[Any]:
        return self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=["g"])["AutoScalingGroups"][0][
            "Instances"
        ]


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield Group()


def test_a_node_marks_itself_unhealthy_and_is_counted(group: Group):
    assert group.replacement(0).ask() is None
    assert (group.unhealthy(), group.counted()) == (group.instances[:1], group.instances[:1])


def test_a_second_node_within_ten_minutes_stays_and_says_why(group: Group):
    group.replacement(0).ask()
    reason = group.replacement(1, NOW + timedelta(minutes=9)).ask()
    assert reason is not None
    assert "1 of 3 nodes were replaced for health within 10 minutes" in reason
    assert group.unhealthy() == group.instances[:1]
    assert group.replacement(1, NOW + timedelta(minutes=10)).ask() is None


def test_asking_again_is_no_second_replacement(group: Group):
    group.replacement(0).ask()
    assert group.replacement(0).ask() is None
    assert group.counted() == group.instances[:1]


class Racing:
    """S3, with another node that writes between this one's reading and its writing."""

    def __init__(self, s3: Any, meanwhile: Callable[[], object]) -> None:
        self._s3, self._meanwhile = s3, meanwhile

    def get_object(self, **arguments: Any) -> Any:
        return self._s3.get_object(**arguments)

    def put_object(self, **arguments: Any) -> Any:
        if self._meanwhile:
            meanwhile, self._meanwhile = self._meanwhile, None  # type: ignore[assignment]
            meanwhile()
        return self._s3.put_object(**arguments)


def test_two_nodes_at_the_same_moment_cannot_both_be_replaced(group: Group):
    first = group.replacement(0)
    reason = group.replacement(1, s3=Racing(group.s3, first.ask)).ask()
    assert reason is not None
    assert group.unhealthy() == group.instances[:1]
