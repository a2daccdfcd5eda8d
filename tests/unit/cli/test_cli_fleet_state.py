"""Why a node is missing, in words; and when waiting for one is pointless."""

from dataclasses import replace

from scripts.fleet_reading import Reading
from scripts.fleet_state import FleetState, Group, Node, Trouble, merge_report, waiting_for, why_missing
from scripts.serving import refuses, stuck

GROUP = Group("tiny-spot", "spot", desired=1, most=4, in_service=1, instances=1)
NODE = Node(
    "i-1", "tiny", "g6.xlarge", "spot", "us-east-1a", "InService", state="ready", version="v1", routable=True
)  # fmt: skip
FLEET = FleetState("tiny", (GROUP,), (NODE,), current="v1")
BAD = "model.gguf has SHA-256 aa, the manifest says bb"


def reading(fleet: FleetState, *troubles: Trouble) -> Reading:
    return Reading((fleet,), None, None, troubles)


def only(reasons: list[str]) -> str:
    assert len(reasons) == 1, reasons
    return reasons[0]


def test_a_fleet_that_serves_lacks_nothing() -> None:
    assert why_missing(FLEET, None) == []
    assert FLEET.warm == NODE


def test_no_active_version_and_groups_at_zero_are_both_said_with_the_commands_that_help() -> None:
    asleep = FleetState("tiny", (replace(GROUP, desired=0, in_service=0, instances=0),), (), current=None)
    first, second = why_missing(asleep, None)
    assert "`warmfleet models publish tiny PATH`" in first
    assert "all groups of tiny are at 0" in second


def test_a_failed_launch_is_given_with_the_cause_that_auto_scaling_recorded() -> None:
    group = replace(GROUP, in_service=0, instances=0, failure="no spot capacity in us-east-1a")
    assert "lacks 1; its last launch failed: no spot capacity" in only(
        why_missing(replace(FLEET, groups=(group,), nodes=()), None)
    )


def test_a_launch_under_way_is_no_failure() -> None:
    group = replace(GROUP, in_service=0, instances=0)
    assert only(why_missing(replace(FLEET, groups=(group,), nodes=()), None)).endswith("is launching 1 of 1")


def test_a_suspended_launch_process_is_named() -> None:
    group = replace(GROUP, in_service=0, instances=0, suspended=("Launch",))
    assert "Launch process is suspended" in only(why_missing(replace(FLEET, groups=(group,), nodes=()), None))


def test_a_group_that_somebody_deleted_is_named() -> None:
    lost = replace(FLEET, groups=(), nodes=(), lost_groups=("tiny-spot",))
    assert only(why_missing(lost, None)).startswith("Auto Scaling group tiny-spot does not exist")


def test_a_node_that_downloads_is_held_by_its_launch_hook() -> None:
    node = replace(NODE, lifecycle="Pending:Wait", state="downloading", version=None, routable=False)
    text = only(why_missing(replace(FLEET, nodes=(node,)), None))
    assert "i-1 (spot, us-east-1a): downloading; the launch hook holds it" in text


def test_a_node_that_refuses_a_file_is_quoted_with_both_hashes() -> None:
    node = replace(NODE, state="downloading", version=None, routable=False, error=BAD)
    assert BAD in only(why_missing(replace(FLEET, nodes=(node,)), None))
    assert stuck(reading(replace(FLEET, nodes=(node,))), replace(FLEET, nodes=(node,)))


def test_a_node_without_a_report_is_named_with_its_log() -> None:
    node = replace(NODE, state=None, version=None, routable=False)
    assert "gives no report; its log: `warmfleet logs i-1`" in only(why_missing(replace(FLEET, nodes=(node,)), None))


def test_a_node_with_another_version_than_the_active_one_is_not_warm() -> None:
    behind = replace(FLEET, current="v2")
    assert behind.warm is None
    assert "with version v1; v2 is active" in only(why_missing(behind, None))


def test_a_node_under_the_wave_of_a_rollout_lacks_nothing() -> None:
    assert why_missing(replace(FLEET, current="v0", candidate="v1", wave_percent=25), None) == []


def test_trouble_of_the_local_cloud_comes_first_with_its_remedy_and_makes_waiting_pointless() -> None:
    trouble = Trouble("load balancer gw", "port 8080 is taken", "free it, or set warmfleet:gateway_port")
    assert why_missing(FLEET, "connection refused", [trouble])[0].endswith("free it, or set warmfleet:gateway_port")
    assert stuck(reading(FLEET, trouble), FLEET)


def test_one_failing_node_beside_one_on_its_way_is_worth_waiting_for() -> None:
    failing = replace(NODE, state="downloading", routable=False, error=BAD)
    coming = replace(NODE, instance_id="i-2", state="loading", routable=False)
    both = replace(FLEET, nodes=(failing, coming))
    assert not stuck(reading(both), both)
    assert not stuck(reading(replace(FLEET, nodes=())), replace(FLEET, nodes=()))


def test_only_a_node_on_its_way_that_says_why_it_fails_is_replaced() -> None:
    assert refuses(replace(NODE, state="downloading", routable=False, error=BAD))
    assert not refuses(replace(NODE, state="downloading", routable=False))
    assert not refuses(replace(NODE, state="ready", error="one poll was lost"))
    assert not refuses(replace(NODE, state="downloading", error=BAD, lifecycle="Terminating:Wait"))


def test_what_is_waited_for_names_the_node_and_what_it_does() -> None:
    loading = replace(FLEET, nodes=(replace(NODE, state="loading", routable=False),))
    assert waiting_for(loading, None) == "i-1 (spot, us-east-1a): loading"
    assert waiting_for(FLEET, "connection refused").endswith("; waiting for the gateway")


def test_a_nodes_report_reaches_the_status_with_its_phases() -> None:
    report = {"state": "ready", "version": "v1", "manifest_sha256": "aa", "warm_up_seconds": {"load": 1.5}}
    merged = merge_report(replace(NODE, state=None), {"report": report, "routable": True, "error": None})
    assert (merged.state, merged.routable, merged.warm_up_seconds) == ("ready", True, {"load": 1.5})


def test_a_booting_node_that_does_not_answer_yet_is_no_error() -> None:
    booting = replace(NODE, lifecycle="Pending:Wait", state=None)
    described = {"report": None, "routable": False, "error": "ClientConnectorError: refused"}
    assert merge_report(booting, described).error is None
    assert merge_report(replace(booting, lifecycle="InService"), described).error == "ClientConnectorError: refused"


def test_what_the_planner_may_not_buy_is_said() -> None:
    held = replace(FLEET, refusals=("max_hourly_usd: 9.00 USD an hour were wanted, the limit is 8.00",))
    assert why_missing(held, None)[-1].startswith("the planner would buy more and may not: max_hourly_usd: 9.00 USD")
    assert not any("planner" in reason for reason in why_missing(FLEET, None))
