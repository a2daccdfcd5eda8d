"""A network, a launch template and a group in an empty account."""

import base64
from dataclasses import dataclass
from typing import Any

from world import world

GROUP = "g"
TYPE = "g5.xlarge"


@dataclass(frozen=True)
class Group:
    """A group called `g` of three instances in three zones, launched from the first version of a template."""

    ec2: Any
    autoscaling: Any
    template: str

    def describe(self) -> dict[str, Any]:
        world.settle()
        (found,) = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
        return dict(found)

    def members(self) -> list[dict[str, Any]]:
        return list(self.describe()["Instances"])

    def instances(self) -> list[dict[str, Any]]:
        world.settle()
        reservations = self.ec2.describe_instances()["Reservations"]
        return [instance for each in reservations for instance in each["Instances"]]

    def new_version(self, **data: Any) -> None:
        given = {"ImageId": "ami-2", "InstanceType": TYPE} | data
        self.ec2.create_launch_template_version(LaunchTemplateId=self.template, LaunchTemplateData=given)

    def set_capacity(self, capacity: int) -> None:
        self.autoscaling.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=capacity)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def make_group(template: dict[str, Any] | None = None, mixed: dict[str, Any] | None = None, **settings: Any) -> Group:
    """`template` adds to the launch template, `mixed` holds a mixed instances policy's rest, `settings` the group's."""
    ec2, autoscaling = world.client("ec2"), world.client("autoscaling")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")
        for number, zone in enumerate("abc")
    ]
    data = {"ImageId": "ami-1", "InstanceType": TYPE} | (template or {})
    made = ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData=data)["LaunchTemplate"]
    source = {"LaunchTemplateId": made["LaunchTemplateId"], "Version": "$Latest"}
    if mixed is None:
        settings["LaunchTemplate"] = source
    else:
        overrides = {"LaunchTemplateSpecification": source, "Overrides": mixed["Overrides"]}
        settings["MixedInstancesPolicy"] = {**mixed, "LaunchTemplate": overrides}
        del settings["MixedInstancesPolicy"]["Overrides"]
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        VPCZoneIdentifier=",".join(each["Subnet"]["SubnetId"] for each in subnets),
        **{"MinSize": 0, "MaxSize": 6, "DesiredCapacity": 3, **settings},
    )
    return Group(ec2, autoscaling, made["LaunchTemplateId"])
