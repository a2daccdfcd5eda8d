"""The next step of a rollout: each rule by itself."""

from dataclasses import replace

import pytest
from rollout_nodes import AIMED, NEW, after, fleet, on_new, reason, under

from inference_service.artifacts import place
from scripts.rollout.decision import BLOCKED_SECONDS, SILENT_SECONDS, GiveUp, Promote, Raise, Wait, next_step
from scripts.rollout.history import begin, seen
from scripts.rollout.member import Member, members


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
    earlier = begin(-10.0)
    assert isinstance(after(busy, under(nodes[0]), seconds=2.5, history=earlier), Wait)  # at least 3 s


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
    late = 10.1 + SILENT_SECONDS
    assert "warmfleet status" in reason(next_step(AIMED, [], seen(history, AIMED, [], late), late), GiveUp)


def test_a_run_that_finds_a_wave_half_way_goes_on_from_there() -> None:
    nodes = fleet(4)
    found = [on_new(nodes[0]), on_new(nodes[1]), *nodes[2:]]
    step = after(found, under(nodes[1]))
    assert isinstance(step, Raise)
    assert (step.percent, step.nodes) == (100, tuple(node.instance_id for node in nodes[2:]))


def test_a_gateways_description_becomes_members_in_the_order_of_their_places() -> None:
    phases = {"launch": 99.0, "boot": 9.0, "download": 1.0, "verify": 2.0, "load": 3.0, "probe": 0.5}
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
    under_way = described[3] | {"report": report | {"warm_up_seconds": phases | {"probe": None}}}
    assert members([under_way], "tiny")[0].warm_up_seconds is None
    assert by_name["i-1"].words() == "i-1: gives no report, it does not answer"
