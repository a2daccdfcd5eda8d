"""The next step of a rollout: each rule by itself."""

from dataclasses import replace
from typing import Any

import pytest

from inference_service.artifacts import Pointer, VersionRef, place
from scripts.rollout.decision import BLOCKED_SECONDS, SILENT_SECONDS, GiveUp, Promote, Raise, Step, Wait, next_step
from scripts.rollout.history import History, begin, seen
from scripts.rollout.member import Member, members

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


@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_the_canary_is_the_one_node_with_the_lowest_place(count: int) -> None:
    nodes = fleet(count)
    step = after(nodes, AIMED)
    assert step == Raise(nodes[0].place + 1, (nodes[0].instance_id,), "canary")
    pointer = AIMED.raised(NEW, step.percent)
    assert [node for node in nodes if pointer.version_for(node.instance_id) == NEW] == nodes[:1]


def test_nodes_that_share_the_lowest_place_are_the_canary_together() -> None:
    by_place: dict[int, list[str]] = {}
    for number in range(300):
        by_place.setdefault(place(f"i-{number}"), []).append(f"i-{number}")
    lowest, higher = by_place[min(by_place)][:2], by_place[max(by_place)][:1]
    assert len(lowest) == 2
    nodes = [Member(each, "ready", "v1") for each in (*lowest, *higher)]
    step = after(nodes, AIMED)
    assert isinstance(step, Raise)
    assert set(step.nodes) == set(lowest)

    both = after(nodes[:2], AIMED)
    assert "add a node" in reason(both, GiveUp)  # no wave takes only one of them, and never all at once


def test_traffic_is_watched_before_the_first_node_is_taken_out() -> None:
    assert reason(after(fleet(2), AIMED, seconds=1.0), Wait) == "watching the traffic"


def test_after_the_canary_a_quarter_a_half_and_all_of_the_nodes() -> None:
    nodes, reached = fleet(12), 0
    pointer = AIMED
    steps = []
    while not isinstance(step := after(nodes, pointer), Promote):
        assert isinstance(step, Raise), step
        pointer = pointer.raised(NEW, step.percent)
        reached += len(step.nodes)
        steps.append(reached)
        nodes = [on_new(node) if pointer.version_for(node.instance_id) == NEW else node for node in nodes]
    assert steps == [1, 3, 6, 12]
    assert pointer.wave_percent == 100


@pytest.mark.parametrize("state", ["draining", "downloading", "loading", "warming"])
def test_no_step_before_every_node_of_the_wave_serves(state: str) -> None:
    nodes = fleet(3)
    changing = [replace(nodes[0], state=state), *nodes[1:]]
    assert nodes[0].instance_id in reason(after(changing, under(nodes[0])), Wait)
    assert isinstance(after(nodes, under(nodes[0])), Wait)  # ready, but with the version before


def test_a_wave_that_serves_is_watched_for_one_warm_up_or_until_it_has_answered_enough() -> None:
    nodes = fleet(3)
    wave = [on_new(nodes[0]), *nodes[1:]]
    assert "watching the answers" in reason(after(wave, under(nodes[0]), seconds=3.5), Wait)
    assert isinstance(after(wave, under(nodes[0]), seconds=4.5), Raise)  # 4 s is the measured warm-up
    busy = [on_new(nodes[0], answered=20), *nodes[1:]]
    assert isinstance(after(busy, under(nodes[0]), seconds=3.5), Raise)
    assert isinstance(after(busy, under(nodes[0]), seconds=2.5), Wait)  # at least 3 s


def test_a_node_that_refuses_the_candidate_ends_it_with_node_file_and_log() -> None:
    nodes = fleet(3)
    refusing = [replace(nodes[0], refused="v2", error="m.gguf differs from its manifest"), *nodes[1:]]
    said = reason(after(refusing, under(nodes[0]), seconds=0.1), GiveUp)
    first = nodes[0].instance_id
    assert said == f"{first} cannot serve v2: m.gguf differs from its manifest; more: `warmfleet logs {first}`"


def test_a_node_may_take_three_measured_warm_ups_and_its_drain_and_no_longer() -> None:
    nodes = fleet(3)
    slow = [replace(nodes[0], state="loading", version=None), *nodes[1:]]
    slow_type = begin(0.0, size_ratio=2.0)
    slow_type = replace(slow_type, warm_up_seconds=50.0)
    assert slow_type.patience_seconds == 120 + 3 * 50 * 2
    assert isinstance(after(slow, under(nodes[0]), seconds=419, history=slow_type), Wait)
    assert "does not serve v2 after 421 s" in reason(
        after(slow, under(nodes[0]), seconds=421, history=slow_type), GiveUp
    )
    assert begin(0.0).patience_seconds == 120 + 1800  # nothing measured: a node's own limit


@pytest.mark.parametrize(
    "changed", [{"state": "draining", "error": "the engine has ended"}, {"process": 2}], ids=["engine", "process"]
)
def test_a_node_that_served_the_candidate_and_fell_out_ends_it(changed: dict[str, Any]) -> None:
    nodes = fleet(3)
    good = [on_new(nodes[0]), *nodes[1:]]
    history = seen(begin(0.0), under(nodes[0]), good, 0.0)
    broken = [on_new(nodes[0], **changed), *nodes[1:]]
    step = next_step(under(nodes[0]), broken, seen(history, under(nodes[0]), broken, 1.0), 1.0)
    assert "served v2 and then failed" in reason(step, GiveUp)


def test_a_node_that_leaves_or_is_gone_speaks_against_nobody() -> None:
    nodes = fleet(3)
    good = [on_new(nodes[0]), *nodes[1:]]
    history = seen(begin(0.0), under(nodes[0]), good, 0.0)
    step = next_step(under(nodes[0]), nodes[1:], seen(history, under(nodes[0]), nodes[1:], 60.0), 60.0)
    assert step == Raise(nodes[1].place + 1, (nodes[1].instance_id,), "canary")  # a new canary


def test_a_node_that_falls_silent_under_the_wave_is_waited_for_and_not_passed_over() -> None:
    nodes = fleet(3)
    good = [on_new(nodes[0]), *nodes[1:]]
    silent = [Member(nodes[0].instance_id), *nodes[1:]]
    history = seen(begin(0.0), under(nodes[0]), good, 0.0)
    history = seen(history, under(nodes[0]), silent, 10.0)
    assert "gives no report" in reason(next_step(under(nodes[0]), silent, history, 60.0), Wait)
    assert isinstance(next_step(under(nodes[0]), silent, history, 1000.0), GiveUp)


def test_an_instance_that_has_never_reported_holds_up_nothing() -> None:
    nodes = fleet(3)
    booting = [Member(nodes[0].instance_id), *nodes[1:]]
    step = after(booting, AIMED)
    assert isinstance(step, Raise)
    assert step.nodes == (nodes[1].instance_id,)
    done = [booting[0], *(on_new(node) for node in nodes[1:])]
    assert isinstance(after(done, under(nodes[2])), Promote)


def test_more_failed_answers_than_the_current_version_gives_end_it() -> None:
    nodes = fleet(3)

    def step(failed: int, answered: int, others_failed: int) -> Step:
        pointer = under(nodes[0])
        first = [on_new(nodes[0]), *nodes[1:]]
        later = [
            on_new(nodes[0], answered=answered, failed=failed),
            replace(nodes[1], answered=100, failed=others_failed),
            nodes[2],
        ]
        history = seen(seen(begin(0.0), pointer, first, 0.0), pointer, later, 60.0)
        return next_step(pointer, later, history, 60.0)

    assert "v2 failed 2 of 20 answers, v1 0 of 100" in reason(step(2, 20, 0), GiveUp)
    assert isinstance(step(1, 20, 0), Raise)  # one may be the request's fault
    assert isinstance(step(2, 300, 0), Raise)  # below one in a hundred
    assert isinstance(step(2, 20, 5), Raise)  # the current version fails as often


def test_what_the_current_version_failed_before_the_rollout_is_no_excuse() -> None:
    nodes = fleet(3, answered=100, failed=50)
    bad = [on_new(nodes[0], answered=20, failed=10), *nodes[1:]]
    assert isinstance(after(bad, under(nodes[0])), GiveUp)


def test_the_slots_that_stay_hold_what_is_in_flight() -> None:
    nodes = fleet(3)  # two slots each
    assert isinstance(after([replace(nodes[0], in_flight=4), *nodes[1:]], AIMED), Raise)
    busy = [replace(nodes[0], in_flight=5), *nodes[1:]]
    assert "5 answers were in flight" in reason(after(busy, AIMED), Wait)
    assert "add a node" in reason(after(busy, AIMED, seconds=BLOCKED_SECONDS + 1), GiveUp)


def test_present_traffic_is_the_most_of_the_last_seconds_not_of_this_moment() -> None:
    nodes = fleet(3)
    busy = [replace(nodes[0], in_flight=5), *nodes[1:]]
    history = seen(seen(begin(0.0), AIMED, busy, 0.0), AIMED, nodes, 8.0)
    assert isinstance(next_step(AIMED, nodes, history, 8.0), Wait)
    assert isinstance(next_step(AIMED, nodes, seen(history, AIMED, nodes, 12.0), 12.0), Raise)


def test_a_step_takes_fewer_nodes_where_traffic_needs_the_others() -> None:
    nodes = fleet(12)
    half = [on_new(node, in_flight=3) for node in nodes[:6]] + nodes[6:]  # 18 in flight: nine nodes of two slots
    step = after(half, under(nodes[5]))
    assert isinstance(step, Raise)
    assert step.nodes == tuple(node.instance_id for node in nodes[6:9])


def test_never_all_nodes_that_are_ready_at_once_unless_it_is_the_only_node() -> None:
    first, second = fleet(2)
    warming = replace(second, state="loading", version=None)
    assert "none can be spared" in reason(after([first, warming], AIMED), Wait)
    assert isinstance(after([first], AIMED), Raise)


def test_nodes_that_start_under_the_wave_are_waited_for_too() -> None:
    nodes = fleet(3)
    started = [on_new(nodes[0]), replace(nodes[1], state="downloading", version=None), nodes[2]]
    assert isinstance(after(started, under(nodes[1])), Wait)


def test_a_silent_gateway_is_waited_for_a_minute() -> None:
    history = seen(begin(0.0), AIMED, fleet(2), 10.0)
    assert isinstance(next_step(AIMED, [], seen(history, AIMED, [], 60.0), 60.0), Wait)
    assert "warmfleet status" in reason(next_step(AIMED, [], history, 10.1 + SILENT_SECONDS), GiveUp)


def test_a_run_that_finds_a_wave_half_way_goes_on_from_there() -> None:
    nodes = fleet(4)
    found = [on_new(nodes[0]), on_new(nodes[1]), *nodes[2:]]
    step = after(found, under(nodes[1]))
    assert isinstance(step, Raise)
    assert (step.percent, step.nodes) == (100, tuple(node.instance_id for node in nodes[2:]))


def test_a_gateways_description_becomes_members_in_the_order_of_their_places() -> None:
    phases = {"launch": 99.0, "download": 1.0, "verify": 2.0, "load": 3.0, "probe": 0.5}
    report = {"state": "ready", "version": "v1", "slots": 3, "in_flight": 1, "warm_up_seconds": phases, "pid": 7}
    described = [
        {"instance_id": f"i-{number}", "model": "tiny", "in_flight": 2, "report": report, "error": None}
        for number in range(5)
    ]
    described[0] = described[0] | {"report": report | {"leaving": True}}
    described[1] = described[1] | {"report": None, "error": "it does not answer"}
    described[2] = described[2] | {"model": "other"}
    found = members(described, "tiny")
    assert {node.instance_id for node in found} == {"i-1", "i-3", "i-4"}
    assert [node.place for node in found] == sorted(node.place for node in found)
    by_name = {node.instance_id: node for node in found}
    assert by_name["i-3"] == Member(
        "i-3", "ready", "v1", slots=3, in_flight=2, process=7, warm_up_seconds=6.5
    )  # the more of both counts: other gateways send, too
    assert by_name["i-1"].words() == "i-1: gives no report, it does not answer"
