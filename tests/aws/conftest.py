"""A local AWS of its own for each test that asks for one."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from botocore.exceptions import ClientError

from localcloud.aws.in_process import LocalAws, local_aws


class Fleet:
    """A cloud with a VPC and a launch template, and short names for what tests ask it."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.ec2, self.asg, self.elb = aws.client("ec2"), aws.client("autoscaling"), aws.client("elbv2")
        self.vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"us-east-1{zone}")[
                "Subnet"
            ]["SubnetId"]
            for n, zone in enumerate("abc")
        ]

    def template(self, name: str = "template", **data: Any) -> str:
        data = {"ImageId": "ami-1", "InstanceType": "t3.small", **data}
        reply = self.ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
        return str(reply["LaunchTemplate"]["LaunchTemplateId"])

    def group(self, name: str = "g", **more: Any) -> None:
        settings: dict[str, Any] = {"MinSize": 0, "MaxSize": 6, "VPCZoneIdentifier": ",".join(self.subnets), **more}
        if not {"LaunchTemplate", "MixedInstancesPolicy"} & set(more):
            settings["LaunchTemplate"] = {"LaunchTemplateId": self.template(f"of-{name}"), "Version": "$Latest"}
        self.asg.create_auto_scaling_group(AutoScalingGroupName=name, **settings)

    def described(self, name: str = "g") -> dict[str, Any]:
        (found,) = self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        return dict(found)

    def states(self, name: str = "g") -> dict[str, str]:
        return {each["InstanceId"]: each["LifecycleState"] for each in self.described(name)["Instances"]}

    def instance(self, instance_id: str) -> dict[str, Any]:
        (found,) = self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
        return dict(found["Instances"][0])

    def instances(self, name: str = "g") -> list[dict[str, Any]]:
        return [self.instance(each) for each in self.states(name)]

    def activities(self, name: str = "g") -> list[dict[str, Any]]:
        return list(self.asg.describe_scaling_activities(AutoScalingGroupName=name)["Activities"])

    def complete(self, hook: str, instance_id: str, result: str = "CONTINUE", name: str = "g") -> None:
        self.asg.complete_lifecycle_action(
            LifecycleHookName=hook, AutoScalingGroupName=name, LifecycleActionResult=result, InstanceId=instance_id
        )

    @staticmethod
    def refusal(call: Any, **arguments: Any) -> tuple[str, str]:
        """The code and the message with which AWS refuses a call."""
        with pytest.raises(ClientError) as caught:
            call(**arguments)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    @staticmethod
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    def call(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Ask one of our own routes; POST with a body."""
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(f"{self.aws.url}/_local/{path}", data), timeout=30) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            with error:
                return error.code, json.load(error)


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with local_aws(prefix="127.9") as served:
        yield served


@pytest.fixture
def fleet(aws: LocalAws) -> Fleet:
    return Fleet(aws)
