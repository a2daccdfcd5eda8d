"""What is done to a group so that it comes to what a plan wants. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.planner import instances


@dataclass(frozen=True)
class Change:
    """What to do to one group: a desired capacity to set, if any, and instances that leave with a decrement."""

    desired: int | None = None
    leaving: tuple[str, ...] = ()


def change_of(group: Mapping[str, Any], wanted: int, memory: instances.Memory, loads: Mapping[str, int]) -> Change:
    """From what a described group has to `wanted` nodes that stay; `loads` has requests in flight by instance id."""
    lost = instances.counted(group, memory.noticed)
    half_done = tuple(one for one in memory.chosen if instances.counted(group, [one]))  # an earlier run died over them
    kept = group["DesiredCapacity"] - lost - len(half_done)
    if wanted > kept:  # a node under notice still counts for Auto Scaling: its successor is launched beside it
        return Change(min(wanted + lost + len(half_done), group["MaxSize"]), half_done)
    if wanted == kept:
        return Change(None, half_done)
    leaving = instances.victims(group, kept - wanted, memory, loads)
    unfilled = kept - wanted - len(leaving)  # a wish that no instance stands for is withdrawn
    return Change(group["DesiredCapacity"] - unfilled if unfilled else None, (*half_done, *leaving))
