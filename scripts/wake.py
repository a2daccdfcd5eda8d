"""Wakes a model's fleet: its groups start at zero, and the first activation asks for the first nodes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scripts.exit_codes import CommandError
from scripts.stack_outputs import FleetOutputs


@dataclass(frozen=True)
class Wake:
    """Ask `group` for `nodes` nodes."""

    group: str
    nodes: int


def to_wake(fleet: FleetOutputs, desired: Mapping[str, int]) -> Wake | None:
    """What an activation has to ask for; None while any group of the model wants nodes already.

    Afterwards the planner and people set the capacity: a fleet that was scaled is never set back.
    """
    if not fleet.groups or fleet.initial_nodes < 1 or any(desired.get(group, 0) for group in fleet.groups):
        return None
    return Wake(fleet.groups[0], fleet.initial_nodes)


def wake(autoscaling: Any, fleet: FleetOutputs) -> Wake | None:
    """Apply `to_wake`. Raises botocore's errors, and CommandError for a group that does not exist.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetDesiredCapacity.html
    """
    answer = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=list(fleet.groups))
    desired = {group["AutoScalingGroupName"]: int(group["DesiredCapacity"]) for group in answer["AutoScalingGroups"]}
    if missing := [name for name in fleet.groups if name not in desired]:
        raise CommandError(f"Auto Scaling group {', '.join(missing)} does not exist; run `pulumi refresh`, `pulumi up`")
    if decided := to_wake(fleet, desired):
        autoscaling.set_desired_capacity(
            AutoScalingGroupName=decided.group, DesiredCapacity=decided.nodes, HonorCooldown=False
        )
    return decided
