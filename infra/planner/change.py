"""What is done to a group so that it comes to what a plan wants. Pure.

A desired capacity below what a group has makes Auto Scaling choose who goes, busy or not
(https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-instance-termination.html). So a wish that no instance stands
for is withdrawn only down to what is there, nodes on their way up counted, and nodes leave by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.planner import instances


@dataclass(frozen=True)
class Change:
    """What to do to one group: a desired capacity to set first, if any, and then instances that leave by name, of which
    each takes one from the desired capacity.
    """

    desired: int | None = None
    leaving: tuple[str, ...] = ()


def change_of(group: Mapping[str, Any], wanted: int, memory: instances.Memory, loads: Mapping[str, int]) -> Change:
    """From what a described group has to `wanted` nodes that stay; `loads` has requests in flight by instance id.

    A node under notice still counts for Auto Scaling: its successor is launched beside it.
    """
    half_done = tuple(one for one in memory.chosen if instances.counted(group, [one]))  # an earlier run died over them
    there = instances.counted(group)
    staying = there - instances.counted(group, {*memory.noticed, *memory.chosen})
    if staying >= wanted and there > group["DesiredCapacity"]:  # AWS replaces some, and ends the old ones by itself
        least = min(wanted + len(half_done), group["MaxSize"])
        return Change(least if least >= there else None, half_done)
    leaving = instances.victims(group, max(0, staying - wanted), memory, loads)
    desired = min(max(wanted, staying) + there - staying, group["MaxSize"])
    changes = desired != group["DesiredCapacity"] and desired >= there
    return Change(desired if changes else None, (*half_done, *leaving))


def unfinished(group: Mapping[str, Any], wanted: int, memory: instances.Memory) -> Change:
    """What a run that remembered this wish, and who leaves for it, has not done. Nobody else is chosen."""
    change = change_of(group, wanted, memory, {})
    return replace(change, leaving=tuple(one for one in change.leaving if one in memory.chosen))
