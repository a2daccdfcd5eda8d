"""Auto Scaling groups, and the launch configurations that came before launch templates."""

from collections.abc import Iterator
from typing import Any

from localcloud.aws.in_process import LocalAws
from tests.audit.controls.control import Control, Seen, unless


def groups(aws: LocalAws) -> list[tuple[str, Any]]:
    found = aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    return [(f"group {each['AutoScalingGroupName']}", each) for each in found]


def launch_configurations(aws: LocalAws) -> list[tuple[str, Any]]:
    found = aws.client("autoscaling").describe_launch_configurations()["LaunchConfigurations"]
    return [(f"launch configuration {each['LaunchConfigurationName']}", each) for each in found]


def asks_its_balancer_for_health(aws: LocalAws) -> Iterator[Seen]:
    for label, group in groups(aws):
        if group.get("TargetGroupARNs") or group.get("LoadBalancerNames"):
            yield label, unless(group["HealthCheckType"] == "ELB", "keeps instances that its load balancer gave up")


def is_in_several_zones(aws: LocalAws) -> Iterator[Seen]:
    for label, group in groups(aws):
        yield label, unless(len(set(group["AvailabilityZones"])) > 1, "is in one zone")


def takes_several_types(aws: LocalAws) -> Iterator[Seen]:
    for label, group in groups(aws):
        template = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
        types = {each["InstanceType"] for each in template.get("Overrides", []) if "InstanceType" in each}
        yield label, unless(len(types) > 1 and len(set(group["AvailabilityZones"])) > 1, "takes one instance type")


def comes_from_a_template(aws: LocalAws) -> Iterator[Seen]:
    for label, group in groups(aws):
        made = group.get("LaunchTemplate") or group.get("MixedInstancesPolicy")
        yield label, unless(made, "comes from no launch template")


def configurations_want_a_token(aws: LocalAws) -> Iterator[Seen]:
    for label, each in launch_configurations(aws):
        token = each.get("MetadataOptions", {}).get("HttpTokens")
        yield label, unless(token == "required", "makes instances that answer to IMDSv1")


def configurations_give_no_public_address(aws: LocalAws) -> Iterator[Seen]:
    for label, each in launch_configurations(aws):
        yield label, unless(not each.get("AssociatePublicIpAddress"), "gives instances public addresses")


CONTROLS = (
    Control("AutoScaling.1", "Groups ask their load balancer for health", asks_its_balancer_for_health),
    Control("AutoScaling.2", "Groups are in several zones", is_in_several_zones),
    Control("AutoScaling.3", "Launch configurations want IMDSv2", configurations_want_a_token),
    Control("AutoScaling.5", "Launch configurations give no public address", configurations_give_no_public_address),
    Control("AutoScaling.6", "Groups take several types in several zones", takes_several_types),
    Control("AutoScaling.9", "Groups come from launch templates", comes_from_a_template),
)
