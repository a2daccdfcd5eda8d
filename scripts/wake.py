"""Wakes a model's fleet: its groups start at zero, and the first activation asks for the first nodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.exit_codes import CommandError
from scripts.stack_outputs import FleetOutputs


@dataclass(frozen=True)
class Wake:
    """Ask `group` for `nodes` nodes."""

    group: str
    nodes: int


def to_wake(fleet: FleetOutputs, desired: Mapping[str, int]) -> tuple[Wake, ...]:
    """What an activation has to ask for; nothing while any group of the model wants nodes already.

    The on-demand base comes beside the initial nodes, which are spot where there is a spot group. Afterwards the
    planner and people set the capacity: a fleet that was scaled is never set back.
    """
    if any(desired.get(group, 0) for group in fleet.groups):
        return ()
    if fleet.spot_group is None:
        wanted = {fleet.on_demand_group: max(fleet.initial_nodes, fleet.on_demand_base)}
    else:
        wanted = {fleet.on_demand_group: fleet.on_demand_base, fleet.spot_group: fleet.initial_nodes}
    return tuple(Wake(group, nodes) for group, nodes in wanted.items() if group and nodes > 0)


def in_words(woken: Sequence[Wake]) -> str:
    """Which groups want how many nodes."""
    return ", ".join(f"{each.group} wants {each.nodes}" for each in woken)


def wake(autoscaling: Any, fleet: FleetOutputs) -> tuple[Wake, ...]:
    """Apply `to_wake`. Raises botocore's errors, and CommandError for a group that does not exist.

    https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_SetDesiredCapacity.html
    """
    answer = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=list(fleet.groups))
    desired = {group["AutoScalingGroupName"]: int(group["DesiredCapacity"]) for group in answer["AutoScalingGroups"]}
    if missing := [name for name in fleet.groups if name not in desired]:
        raise CommandError(f"Auto Scaling group {', '.join(missing)} does not exist; run `pulumi refresh`, `pulumi up`")
    decided = to_wake(fleet, desired)
    for each in decided:
        autoscaling.set_desired_capacity(
            AutoScalingGroupName=each.group, DesiredCapacity=each.nodes, HonorCooldown=False
        )
    return decided
