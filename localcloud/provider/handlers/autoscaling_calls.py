"""What handlers of Auto Scaling ask and set in single calls."""

import re
from typing import Any

from localcloud.provider.errors import GoneError, ProviderError
from localcloud.provider.resource import Aws, chosen, names, pascal
from localcloud.provider.values import Properties

TEMPLATE = {"id": "LaunchTemplateId", "name": "LaunchTemplateName"}
GRANULARITY = "1Minute"
# Inputs that the create and the update call take as they are.
PLAIN = names(
    "minSize maxSize desiredCapacity healthCheckType healthCheckGracePeriod capacityRebalance defaultInstanceWarmup "
    "defaultCooldown terminationPolicies maxInstanceLifetime mixedInstancesPolicy"
)


def found(aws: Aws, name: str) -> list[Any]:
    """The group of this name, or nothing."""
    reply = aws.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    return list(reply["AutoScalingGroups"])


def described(aws: Aws, name: str) -> Any:
    """The group of this name. Raises GoneError."""
    if not (groups := found(aws, name)):
        raise GoneError(name)
    return groups[0]


def settings(inputs: Properties) -> dict[str, Any]:
    """Arguments of the create and the update call."""
    given: dict[str, Any] = chosen(inputs, PLAIN)
    given |= source(inputs)
    if "vpcZoneIdentifiers" in inputs:
        given["VPCZoneIdentifier"] = ",".join(inputs["vpcZoneIdentifiers"])
    return given


def source(inputs: Properties) -> dict[str, Any]:
    """What the group launches from, as the group's own calls and DesiredConfiguration take it."""
    given: dict[str, Any] = chosen(inputs, ("mixedInstancesPolicy",))
    if "launchTemplate" in inputs:
        given["LaunchTemplate"] = pascal(inputs["launchTemplate"], TEMPLATE)
    return given


def tag(group: str, given: Properties) -> dict[str, Any]:
    """A tag as AWS takes it."""
    return {"ResourceId": group, "ResourceType": "auto-scaling-group", **pascal(given)}


def tag_input(given: dict[str, Any]) -> Properties:
    """A tag as the program writes it."""
    return {"key": given["Key"], "value": given["Value"], "propagateAtLaunch": given["PropagateAtLaunch"]}


def set_tags(client: Any, group: Any, wanted: list[Properties]) -> None:
    """Add, change and remove tags until they are the wanted ones."""
    name, present = group["AutoScalingGroupName"], group.get("Tags", [])
    kept = {each["key"] for each in wanted}
    removed = [each["Key"] for each in present if not each["Key"].startswith("aws:") and each["Key"] not in kept]
    if removed:
        client.delete_tags(Tags=[tag(name, {"key": key}) for key in removed])
    if changed := [each for each in wanted if each not in [tag_input(one) for one in present]]:
        client.create_or_update_tags(Tags=[tag(name, each) for each in changed])


def set_target_groups(client: Any, group: Any, wanted: set[str]) -> None:
    """Attach and detach target groups until they are the wanted ones."""
    name, present = group["AutoScalingGroupName"], set(group.get("TargetGroupARNs", []))
    if added := sorted(wanted - present):
        client.attach_load_balancer_target_groups(AutoScalingGroupName=name, TargetGroupARNs=added)
    if removed := sorted(present - wanted):
        client.detach_load_balancer_target_groups(AutoScalingGroupName=name, TargetGroupARNs=removed)


def set_metrics(client: Any, group: Any, wanted: set[str], granularity: str) -> None:
    """Publish these metrics of the group and no others."""
    name, present = group["AutoScalingGroupName"], {each["Metric"] for each in group.get("EnabledMetrics", [])}
    if removed := sorted(present - wanted):
        client.disable_metrics_collection(AutoScalingGroupName=name, Metrics=removed)
    if added := sorted(wanted - present):
        client.enable_metrics_collection(AutoScalingGroupName=name, Metrics=added, Granularity=granularity)


def set_suspended(client: Any, group: Any, wanted: set[str]) -> None:
    """Suspend these processes and resume all others."""
    name, present = group["AutoScalingGroupName"], {each["ProcessName"] for each in group.get("SuspendedProcesses", [])}
    if resumed := sorted(present - wanted):
        client.resume_processes(AutoScalingGroupName=name, ScalingProcesses=resumed)
    if suspended := sorted(wanted - present):
        client.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=suspended)


def seconds(duration: str) -> float:
    """A Go duration such as "10m" or "1h30m" in seconds."""
    if not re.fullmatch(r"0|(\d+(\.\d+)?[hms])+", duration):
        raise ProviderError(
            f'waitForCapacityTimeout is {duration!r}, no duration; give one like "10m", or "0" not to wait'
        )
    return sum(
        float(count) * {"h": 3600, "m": 60, "s": 1}[unit] for count, unit in re.findall(r"([\d.]+)([hms])", duration)
    )
