"""What is done to a group: nodes leave by name and only when there are too many, and AWS never gets to choose."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from infra.planner.change import Change, change_of, unfinished
from infra.planner.fleet import Group
from infra.planner.instances import Memory, pools

IDLE: dict[str, int] = {}
STATES = ("InService", "Pending", "Pending:Wait", "Pending:Proceed", "Terminating:Wait", "Standby")


def group(desired: int, in_service: int = 0, pending: int = 0, most: int = 10) -> dict[str, Any]:
    """A described group; ready nodes are i-1, i-2, …, those on their way p-1, p-2, …"""
    ready = [{"InstanceId": f"i-{n}", "LifecycleState": "InService"} for n in range(1, in_service + 1)]
    young = [{"InstanceId": f"p-{n}", "LifecycleState": "Pending:Wait"} for n in range(1, pending + 1)]
    return {"DesiredCapacity": desired, "MaxSize": most, "Instances": [*ready, *young]}


def warming(count: int) -> Memory:
    """The highest number is the youngest."""
    return Memory(warming={f"p-{n}": (float(n), "") for n in range(1, count + 1)})


def test_a_wish_that_spot_never_filled_is_withdrawn_before_any_node_leaves() -> None:
    assert change_of(group(5, in_service=2), 3, Memory(), IDLE) == Change(3)
    assert change_of(group(5, in_service=2), 2, Memory(), IDLE) == Change(2)


def test_only_what_is_above_the_wish_leaves_and_the_unfilled_rest_is_withdrawn_first() -> None:
    assert change_of(group(5, in_service=3), 2, Memory(), {"i-1": 4, "i-2": 0, "i-3": 1}) == Change(3, ("i-2",))


def test_nodes_on_their_way_up_count_as_there_and_leave_first_the_youngest_at_the_head() -> None:
    fleet = group(6, in_service=2, pending=2)
    assert change_of(fleet, 4, warming(2), IDLE) == Change(4)
    assert change_of(fleet, 3, warming(2), IDLE) == Change(4, ("p-2",))
    assert change_of(fleet, 1, warming(2), {"i-1": 0, "i-2": 3}) == Change(4, ("p-2", "p-1", "i-1"))


def test_the_successor_of_a_node_under_notice_is_launched_beside_it() -> None:
    assert change_of(group(2, in_service=2), 2, Memory(noticed=["i-1"]), IDLE) == Change(3)
    assert change_of(group(2, in_service=2), 1, Memory(noticed=["i-1"]), IDLE) == Change()


def test_what_an_earlier_run_chose_and_did_not_end_leaves_now_and_counts_once() -> None:
    assert change_of(group(3, in_service=3), 2, Memory(chosen=["i-3"]), IDLE) == Change(None, ("i-3",))
    both = Memory(chosen=["i-3"], noticed=["i-3"])
    assert change_of(group(3, in_service=3), 2, both, IDLE) == Change(None, ("i-3",))
    told = pools([Group("g", True, 10, 1.0)], {"g": group(3, 3)}, both, {}, 0.0, None)[0][0]
    assert (told.desired, told.owned) == (2, 2)


def test_while_aws_replaces_a_node_and_has_one_too_many_nobody_else_leaves() -> None:
    fleet = group(2, in_service=2, pending=1)  # capacity rebalancing: the old one goes when the new one is ready
    assert change_of(fleet, 2, warming(1), IDLE) == Change()
    assert change_of(fleet, 1, warming(1), IDLE) == Change()
    assert change_of(fleet, 4, warming(1), IDLE) == Change(4)
    assert change_of(fleet, 3, warming(1), IDLE) == Change(3)  # else AWS would end one that is wanted
    leaving = Memory(chosen=["i-1"])  # by name, with its place: without one more AWS would choose another as well
    assert change_of(group(3, in_service=4), 3, leaving, IDLE) == Change(4, ("i-1",))


def test_a_second_run_of_a_minute_ends_whom_the_first_one_chose_and_nobody_else() -> None:
    assert unfinished(group(4, in_service=4), 2, Memory(chosen=["i-4"])) == Change(None, ("i-4",))
    assert unfinished(group(4, in_service=4), 2, Memory()) == Change()
    assert unfinished(group(4, in_service=4), 6, Memory()) == Change(6)


@st.composite
def situations(draw: st.DrawFn) -> tuple[dict[str, Any], Memory, int]:
    """A group in any state that DescribeAutoScalingGroups shows, and what is remembered of its nodes."""
    states = draw(st.lists(st.sampled_from(STATES), max_size=8))
    nodes = [{"InstanceId": f"i-{n}", "LifecycleState": state} for n, state in enumerate(states)]
    some = st.sets(st.sampled_from([node["InstanceId"] for node in nodes])) if nodes else st.just(set())
    memory = Memory(noticed=sorted(draw(some)), chosen=sorted(draw(some)))
    pending = [node["InstanceId"] for node in nodes if node["LifecycleState"].startswith("Pending")]
    memory.warming = {one: (0.0, "") for one in pending if one not in memory.noticed}
    most = draw(st.integers(0, 12))
    described = {"DesiredCapacity": draw(st.integers(0, most)), "MaxSize": most, "Instances": nodes}
    return described, memory, draw(st.integers(0, 12))


@given(situations())
def test_in_no_situation_does_aws_choose_who_goes(situation: tuple[dict[str, Any], Memory, int]) -> None:
    described, memory, wanted = situation
    change = change_of(described, wanted, memory, IDLE)
    there = {
        one["InstanceId"]
        for one in described["Instances"]
        if one["LifecycleState"].startswith(("Pending", "InService"))
    }
    staying = there - set(memory.noticed) - set(memory.chosen)
    assert set(change.leaving) - set(memory.chosen) <= staying
    assert len(set(change.leaving)) == len(change.leaving)
    left = len(staying - set(change.leaving))
    assert left >= min(wanted, len(staying))  # nobody leaves while no more are there than are wanted
    if change.desired is not None:
        assert len(there) <= change.desired <= described["MaxSize"]
    if len(there) <= described["DesiredCapacity"]:  # after the last call: what is set, less one for each that left
        desired = described["DesiredCapacity"] if change.desired is None else change.desired
        assert left == min(wanted, len(staying))
        assert len(there - set(change.leaving)) <= desired - len(change.leaving)
