"""How an activation begins: at once, by waves, or not at all. Pure."""

from collections.abc import Sequence
from enum import Enum

from inference_service.artifacts import Pointer, VersionRef
from scripts.exit_codes import CommandError
from scripts.rollout.member import Member


class Opening(Enum):
    """What an activation does."""

    AT_ONCE = "at once"  # nobody serves: there is nothing to lose and nothing to compare with
    WAVES = "waves"


def needs_nodes(pointer: Pointer | None, version: VersionRef, instances: int) -> bool:
    """Whether the nodes have to be looked at, so that the gateway has to answer."""
    return pointer is not None and version != pointer.current and instances > 0


def opening(pointer: Pointer | None, version: VersionRef, nodes: Sequence[Member]) -> Opening:
    """At once where no node serves, by waves where one does or a rollout of this version is under way."""
    if pointer is None or version == pointer.current:
        return Opening.AT_ONCE
    serving = any(node.ready for node in nodes)
    return Opening.WAVES if serving or (nodes and pointer.candidate == version) else Opening.AT_ONCE


def refuse_two_at_once(model: str, pointer: Pointer | None, version: VersionRef) -> None:
    """One rollout at a time; the current version may be activated, which ends the other rollout.

    Raises:
        CommandError: another version is under way.
    """
    if pointer is None or pointer.candidate is None or version in (pointer.candidate, pointer.current):
        return
    under_way, current = pointer.candidate.version, pointer.current.version
    raise CommandError(
        f"{model} is rolling out {under_way} ({pointer.wave_percent} % of its nodes), so that {version.version} has to "
        f"wait; nothing was changed. If nobody drives that any more, `warmfleet models activate {model} {under_way}` "
        f"goes on with it and `warmfleet models activate {model} {current}` ends it"
    )
