"""What scales out while the planner is dead: never beside a live one, never in, and never twice for one need."""

import re
from collections.abc import Mapping

import pytest

from inference_service import contract
from infra import alarms
from infra.alarms import Alarm, FleetNames
from infra.components.safety_net import steps
from infra.safety_net import STEPS, missing_spot, waiting_work

FLEET = FleetNames("chat", "spot", "on-demand", "jobs", "dead")
WAITING = waiting_work(FLEET, "prod", replica_tokens_per_second=10.0)
MISSING = missing_spot(FLEET, "prod", on_demand_base=1)


def figure(alarm: Alarm, **seen: float) -> float:
    """The alarm's expression in one minute, by CloudWatch's rules for IF, AND and FILL; what is not seen is missing."""
    assert seen.keys() <= {metric.id for metric in alarm.metrics}
    python = re.sub(r"FILL\((\w+),0\)", r"seen.get('\1', 0.0)", alarm.expression).replace(" AND ", " and ")
    choose = lambda condition, then, other: then if condition else other  # noqa: E731 (one name for eval)
    return float(eval(python, {"seen": seen, "IF": choose}))


LATE: Mapping[str, float] = {"w": 5000.0, "l": 20.0}
SHORT: Mapping[str, float] = {"ds": 5.0, "rs": 1.0, "do": 1.0}


@pytest.mark.parametrize(("alarm", "seen"), [(WAITING, LATE), (MISSING, SHORT)])
def test_a_minute_with_a_plan_is_none_of_its_business(alarm: Alarm, seen: Mapping[str, float]) -> None:
    assert figure(alarm, **seen) > 0
    assert figure(alarm, **seen, n=1.0) == 0


@pytest.mark.parametrize("alarm", [WAITING, MISSING])
def test_it_acts_when_the_alarm_says_that_the_planner_is_silent_and_not_before(alarm: Alarm) -> None:
    silent = alarms.of_planner("prod", "chat")[0]
    assert silent.name == "chat-planner-silent"
    assert (alarm.times, alarm.period_seconds) == (silent.times, silent.period_seconds)
    plans = [metric for metric in alarm.metrics if metric.id == "n"]
    assert [(one.namespace, one.name, dict(one.dimensions)) for one in plans] == [
        (one.namespace, one.name, dict(one.dimensions)) for one in silent.metrics
    ]
    assert (alarm.above, alarm.missing_is_bad) == (0, False)  # a missing figure launches nothing


def test_work_that_waits_or_was_refused_adds_spot_unless_a_node_is_on_its_way() -> None:
    assert figure(WAITING, l=1.0) == 1
    assert figure(WAITING, w=1200.0) == 3  # two minutes of a node's work
    assert figure(WAITING, **LATE, ps=1.0) == figure(WAITING, **LATE, po=1.0) == 0
    assert figure(WAITING) == 0


def test_on_demand_stands_once_for_spot_that_is_missing_and_not_for_spot_that_warms_up() -> None:
    assert figure(MISSING, ds=5.0, rs=1.0, ps=1.0, do=1.0) == 3
    assert figure(MISSING, ds=5.0, rs=1.0, ps=1.0, do=4.0) == 0  # those three, and the base
    assert figure(MISSING, ds=2.0, rs=1.0, ps=1.0, do=1.0) == 0


def test_its_steps_only_add_and_leave_no_figure_out() -> None:
    found = steps(threshold=0)
    assert all(step["scaling_adjustment"] > 0 for step in found)
    assert [step["metric_interval_lower_bound"] for step in found] == ["0", "3", "9"]
    assert [step.get("metric_interval_upper_bound") for step in found] == ["3", "9", None]
    assert [step.nodes for step in STEPS] == [step["scaling_adjustment"] for step in found]


def test_it_reads_what_gateways_planner_and_groups_publish() -> None:
    published = {contract.METRIC_PLANS, contract.METRIC_WAITING_TOKENS, contract.METRIC_LATE_REQUESTS}
    names = {metric.name for alarm in (WAITING, MISSING) for metric in alarm.metrics}
    assert names <= published | set(contract.GROUP_METRICS)
