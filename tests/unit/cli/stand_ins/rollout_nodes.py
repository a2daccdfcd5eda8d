"""Nodes under a rollout, and what is decided about them."""

from dataclasses import replace
from typing import Any

from inference_service.artifacts import Pointer, VersionRef
from scripts.rollout.decision import GiveUp, Step, Wait, next_step
from scripts.rollout.history import History, begin, seen
from scripts.rollout.member import Member

OLD, NEW = VersionRef("v1", "1" * 64), VersionRef("v2", "2" * 64)
AIMED = Pointer(OLD).raised(NEW, 0)


def fleet(count: int, **changed: Any) -> list[Member]:
    """That many ready nodes with distinct places, the lowest first."""
    found: dict[int, Member] = {}
    number = 0
    while len(found) < count:
        node = Member(f"i-{number:08x}", "ready", "v1", slots=2, process=1, warm_up_seconds=4.0, **changed)
        found.setdefault(node.place, node)
        number += 1
    return [found[each] for each in sorted(found)]


def on_new(node: Member, **changed: Any) -> Member:
    return replace(node, version="v2", **changed)


def after(nodes: list[Member], pointer: Pointer, *, seconds: float = 60.0, history: History | None = None) -> Step:
    """The decision when the same nodes were seen `seconds` ago and are seen again now."""
    first = seen(history or begin(0.0), pointer, nodes, 0.0)
    return next_step(pointer, nodes, seen(first, pointer, nodes, seconds), seconds)


def under(*nodes: Member) -> Pointer:
    """A pointer whose wave reaches these nodes."""
    return AIMED.raised(NEW, max(node.place for node in nodes) + 1)


def reason(step: Step, kind: type[Wait] | type[GiveUp]) -> str:
    assert isinstance(step, kind), step
    return step.reason
