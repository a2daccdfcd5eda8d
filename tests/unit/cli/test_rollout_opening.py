"""How an activation begins: at once, by waves, or refused."""

import pytest

from inference_service.artifacts import Pointer, VersionRef
from scripts.exit_codes import CommandError
from scripts.rollout.member import Member
from scripts.rollout.opening import Opening, needs_nodes, opening, refuse_two_at_once

OLD, NEW, OTHER = (VersionRef(f"v{number}", str(number) * 64) for number in (1, 2, 3))


def test_two_rollouts_at_once_are_refused_with_the_ways_out() -> None:
    under_way = Pointer(OLD).raised(NEW, 25)
    for allowed in (NEW, OLD):
        refuse_two_at_once("tiny", under_way, allowed)
    refuse_two_at_once("tiny", Pointer(OLD), NEW)
    with pytest.raises(CommandError) as refused:
        refuse_two_at_once("tiny", under_way, OTHER)
    for part in ("v2 (25 %", "nothing was changed", "activate tiny v2` goes on", "activate tiny v1` ends it"):
        assert part in str(refused.value)


def test_a_switch_is_at_once_while_no_node_serves() -> None:
    ready, warming = Member("i-1", "ready", "v1"), Member("i-2", "loading")
    cases: list[tuple[Pointer | None, VersionRef, list[Member], Opening]] = [
        (None, NEW, [ready], Opening.AT_ONCE),  # the first activation
        (Pointer(OLD), OLD, [ready], Opening.AT_ONCE),  # nothing to change
        (Pointer(OLD).raised(NEW, 9), OLD, [ready], Opening.AT_ONCE),  # ends a rollout
        (Pointer(OLD), NEW, [], Opening.AT_ONCE),
        (Pointer(OLD), NEW, [warming], Opening.AT_ONCE),
        (Pointer(OLD), NEW, [ready, warming], Opening.WAVES),
        (Pointer(OLD).raised(NEW, 9), NEW, [warming], Opening.WAVES),  # the only node, half way
    ]
    for pointer, version, nodes, expected in cases:
        assert opening(pointer, version, nodes) is expected, (pointer, version, nodes)
    assert not needs_nodes(Pointer(OLD), NEW, 0)
    assert not needs_nodes(None, NEW, 1)
    assert needs_nodes(Pointer(OLD), NEW, 1)
