"""What ends a rollout: a node that refuses, is late, falls out again, or answers worse."""

from dataclasses import replace
from typing import Any

import pytest
from rollout_nodes import NEW, after, fleet, on_new, reason, under

from scripts.rollout.decision import GiveUp, Raise, Step, Wait, next_step
from scripts.rollout.health import AGAIN
from scripts.rollout.history import Answers, begin, seen


def test_a_node_that_refuses_the_candidate_ends_it_with_node_file_and_log() -> None:
    nodes = fleet(3)
    refusing = [replace(nodes[0], refused="v2", error="m.gguf differs from its manifest"), *nodes[1:]]
    said = reason(after(refusing, under(nodes[0]), seconds=0.1), GiveUp)
    first = nodes[0].instance_id
    assert said == f"{first} cannot serve v2: m.gguf differs from its manifest; more: `warmfleet logs {first}`{AGAIN}"


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


def test_only_what_the_current_version_answers_during_the_rollout_is_compared() -> None:
    nodes = fleet(3)

    def answers(*counts: tuple[int, int]) -> Answers:
        history = begin(0.0)
        for now, (answered, failed) in enumerate(counts):
            counted = [replace(nodes[0], answered=answered, failed=failed), on_new(nodes[1], answered=50, failed=50)]
            history = seen(history, under(nodes[0]).raised(NEW, 0), counted, float(now))
        return history.current_answers

    assert answers((100, 50), (120, 50)) == Answers(20, 0)
    assert answers((100, 0), (120, 20)) == Answers(20, 20)
    assert answers((100, 0), (10, 10), (30, 20)) == Answers(20, 10)  # it was started again
