"""The planner's handler against a local AWS: real boto3 calls on real groups, one call a minute."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from inference_service import contract
from infra.planner import cloud, instances
from infra.planner.fleet import Fleet as PlannedFleet
from infra.planner.fleet import Group, LaunchHook, Settings, as_variable, from_variable
from infra.planner.handler import moment, run
from tests.aws.conftest import Fleet
from tests.aws.planner_world import PLANNED, World, notice, settled


class Quotas:
    """Service Quotas, which the local cloud has not."""

    def __init__(self, vcpus: dict[str, float]) -> None:
        self.vcpus = vcpus

    def get_service_quota(self, ServiceCode: str, QuotaCode: str) -> Any:  # noqa: N803 - as boto3 names them
        assert ServiceCode == "ec2"
        return {"Quota": {"Value": self.vcpus[QuotaCode]}}


@pytest.fixture
def world(fleet: Fleet) -> World:
    return World(fleet)


def test_demand_sizes_the_groups_and_the_plan_is_published(world: World) -> None:
    world.plan(4.0)
    assert world.desired("spot") >= 4
    figures = world.clients.cloudwatch.list_metrics(Namespace=contract.NAMESPACE_WARMFLEET)["Metrics"]
    assert {contract.METRIC_PLANS, contract.METRIC_WANTED_SPOT} <= {one["MetricName"] for one in figures}
    told = world.state()["told"]
    assert {one["pool"]: one["desired"] for one in told["targets"]}["spot"] == world.desired("spot")


def test_nodes_in_the_launch_hook_are_not_bought_again(world: World) -> None:
    world.clients.autoscaling.put_lifecycle_hook(
        LifecycleHookName="warm",
        AutoScalingGroupName="spot",
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
        HeartbeatTimeout=7200,
    )
    settled(world, 4.0, minutes=4)
    bought = world.desired("spot") + world.desired("on-demand")
    assert set(world.fleet.states("spot").values()) == {"Pending:Wait"}
    settled(world, 4.0, minutes=3)
    assert world.desired("spot") + world.desired("on-demand") <= bought + 1


def test_a_node_under_notice_is_replaced_and_no_longer_counted(world: World) -> None:
    settled(world, 4.0)
    taken = sorted(world.fleet.states("spot"))[:3]
    for instance in taken:
        notice(world, instance)
    before = world.desired("spot") + world.desired("on-demand")
    world.plan(4.0)
    assert sorted(world.state()["instances"]["noticed"]) == taken
    assert world.desired("spot") + world.desired("on-demand") >= before
    spot = next(pool for pool in world.state()["told"]["observed"]["pools"] if pool["name"] == "spot")
    assert (spot["noticed"], spot["ready"]) == (3, len(world.fleet.states("spot")) - 3)
    assert "Messages" not in world.clients.sqs.receive_message(QueueUrl=world.queue)


def test_of_two_runs_that_overlap_one_acts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.plan(1.0)
    world.minute += 1
    world.ask(6.0)
    read, inner = cloud.read_figures, []

    def overtaken(*arguments: Any) -> Any:
        if not inner:
            inner.append(True)
            run(world.settings, world.clients, world.now())
        return read(*arguments)

    monkeypatch.setattr(cloud, "read_figures", overtaken)
    acts: list[Any] = []
    monkeypatch.setattr("infra.planner.minute._change", lambda *given: acts.append(given))
    with pytest.raises(ExceptionGroup) as failed:
        run(world.settings, world.clients, world.now())
    assert failed.group_contains(cloud.OverlapError)
    assert len(acts) == 1


def test_scale_in_takes_named_nodes_with_a_decrement(world: World) -> None:
    settled(world, 8.0)
    before = world.desired("spot")
    settled(world, 1.0, minutes=40)
    assert 1 <= world.desired("spot") < before
    assert world.state()["instances"]["chosen"] == []
    assert len(world.fleet.states("spot")) == world.desired("spot")


def test_a_wish_that_spot_does_not_fill_is_withdrawn_and_takes_no_node_with_it(world: World) -> None:
    settled(world, 3.0)
    nodes = world.fleet.states("spot")
    asked = [world.desired("spot") for _ in range(30) if world.plan(14.0 if world.minute < 8 else 3.0)]
    assert len(nodes) < asked[-1] < max(asked)  # the clock of the local cloud stood still: nothing was launched
    assert world.fleet.states("spot") == nodes
    assert set(nodes.values()) == {"InService"}


def test_scale_in_takes_idle_nodes_by_the_gateways_reports_and_old_reports_count_for_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(world, 8.0)
    nodes = sorted(world.fleet.states("spot"))
    busy, idle = nodes[:-2], nodes[-2:]  # without reports the lowest ids would go
    put = partial(world.clients.s3.put_object, Bucket="models")
    first, second = (contract.node_loads_key("m", gateway) for gateway in ("a", "b"))
    put(Key=first, Body=json.dumps({"at": 0, "in_flight": {**dict.fromkeys(busy, 3), **dict.fromkeys(idle, 0)}}))
    put(Key=second, Body=json.dumps({"at": 0, "in_flight": {idle[0]: 1}}))  # which the other one does not know yet
    loads = cloud.node_loads(world.clients.s3, "models", "m")
    assert loads == {**dict.fromkeys(busy, 3), idle[0]: 1, idle[1]: 0}
    group = world.fleet.described("spot")
    assert instances.victims(group, 3, instances.Memory(), loads) == [idle[1], idle[0], busy[0]]
    assert instances.victims(group, 1, instances.Memory(), {}) == [nodes[0]]
    settled(world, 5.0, minutes=40)
    assert 0 < len(world.fleet.states("spot")) < len(nodes)
    gone = set(nodes) - set(world.fleet.states("spot"))
    assert gone <= set(idle) or gone > set(idle)
    monkeypatch.setattr(cloud, "LOADS_LATEST_SECONDS", -1.0)
    assert cloud.node_loads(world.clients.s3, "models", "m") == {}


def test_a_paused_fleet_is_watched_and_not_changed(world: World) -> None:
    world.control(paused=True)
    assert world.plan(6.0)["paused"]
    assert world.desired("spot") == 0
    world.control(paused=False, resumed_at=world.now())
    world.plan(6.0)
    assert world.desired("spot") > 0


def test_missing_figures_give_nothing_up(world: World) -> None:
    settled(world, 5.0)
    before = world.desired("spot"), world.desired("on-demand")
    for _ in range(30):
        world.plan(None)
    assert world.desired("spot") >= before[0]


def test_figures_of_one_gateway_of_two_are_no_figures(world: World) -> None:
    settled(world, 5.0)
    before = world.desired("spot")
    world.fleet.asg.set_desired_capacity(AutoScalingGroupName="gateway", DesiredCapacity=2)
    world.fleet.aws.tick(3)
    for _ in range(30):
        world.plan(0.5)  # the other one has the rest, and says nothing
    assert world.state()["told"]["observed"]["offered_tokens_per_second"] is None
    assert world.state()["told"]["gateways"] == {"in_service": 2, "reporting": 1}
    assert world.desired("spot") >= before
    world.ask(0.25)
    world.plan(0.25)
    world.ask(0.25)
    run(world.settings, world.clients, world.now() + 60)
    assert world.state()["told"]["observed"]["offered_tokens_per_second"] == 5.0


def test_before_a_version_is_active_nothing_is_bought_that_could_not_become_warm(world: World) -> None:
    world.clients.s3.delete_object(Bucket="models", Key=contract.pointer_key("m"))
    world.settings = replace(world.settings, fleets=(replace(PLANNED, base_on_demand=1, least_nodes=2),))
    assert world.plan(4.0)["serves"] is None
    assert (world.desired("spot"), world.desired("on-demand")) == (0, 0)
    world.activate("v1")
    assert world.plan(4.0)["serves"] == "model version v1"
    assert world.desired("spot") > 0


def test_launches_that_fail_with_one_version_do_not_stop_those_of_another(world: World) -> None:
    world.clients.autoscaling.put_lifecycle_hook(
        LifecycleHookName="warm",
        AutoScalingGroupName="spot",
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
        HeartbeatTimeout=7200,
    )
    world.activate("v1", candidate="broken")
    settled(world, 4.0, minutes=2)
    failing = [name for name, state in world.fleet.states("spot").items() if state == "Pending:Wait"]
    for instance in failing[:3]:
        world.fleet.complete("warm", instance, "ABANDON", name="spot")
    world.fleet.aws.tick(5)
    told = " ".join(world.plan(4.0)["refusals"])
    assert "the last 3 launches of template of-spot version $Latest, model version v1 or broken never" in told
    world.activate("v1")  # the wave is set back
    assert world.plan(4.0)["refusals"] == []


def test_what_launches_take_is_published_and_shortens_the_wait_for_machines_that_hang(world: World) -> None:
    hook = LaunchHook("warm", 600, "ABANDON")
    world.settings = replace(world.settings, fleets=(replace(PLANNED, launch_hook=hook),))
    world.clients.autoscaling.put_lifecycle_hook(
        LifecycleHookName="warm",
        AutoScalingGroupName="spot",
        LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
        HeartbeatTimeout=600,
        DefaultResult="ABANDON",
    )

    def timeout() -> int:
        hooks = world.clients.autoscaling.describe_lifecycle_hooks(AutoScalingGroupName="spot")["LifecycleHooks"]
        return int(hooks[0]["HeartbeatTimeout"])

    world.plan(14.0)
    world.fleet.aws.tick(5)
    world.plan(14.0)
    assert timeout() == 600
    waiting = [name for name, state in world.fleet.states("spot").items() if state == "Pending:Wait"]
    assert len(waiting) >= 14
    for instance in waiting:
        world.fleet.complete("warm", instance, name="spot")
    world.fleet.aws.tick(5)
    world.plan(14.0)
    assert timeout() == 300
    assert world.state()["instances"]["hook_seconds"] == {"spot": 300}
    world.activate("v2")  # nothing is known of it
    world.plan(14.0)
    assert timeout() == 600
    names = {one["MetricName"] for one in world.clients.cloudwatch.list_metrics(Namespace="Warmfleet")["Metrics"]}
    assert {contract.METRIC_WARM_UP_P50, contract.METRIC_WARM_UP_P90, contract.METRIC_WARM_UP_P99} <= names


def test_one_fleet_that_cannot_be_planned_stops_no_other(world: World) -> None:
    lost = PlannedFleet("lost", (Group("gone", True, 3, 0.4),), 0, 10.0, 20.0, 0.99, None)
    world.settings = Settings("dev", "models", world.queue, "gateway", (lost, PLANNED))
    world.minute += 1
    world.ask(3.0)
    with pytest.raises(ExceptionGroup, match="not every fleet was planned"):
        run(world.settings, world.clients, world.now())
    assert world.desired("spot") >= 3


def test_a_group_that_aws_suspended_is_resumed_and_one_that_a_person_did_is_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.plan(1.0)
    world.clients.autoscaling.suspend_processes(AutoScalingGroupName="spot", ScalingProcesses=["Launch"])
    describe = cloud.describe

    def with_reason(reason: str) -> None:
        def described(*arguments: Any) -> Any:
            found = describe(*arguments)
            for process in found["spot"]["SuspendedProcesses"]:
                process["SuspensionReason"] = reason  # moto gives none
            return found

        monkeypatch.setattr(cloud, "describe", described)

    with_reason("User suspended at 2026-11-28T08:15:00Z")
    assert "its launches are suspended" in world.plan(1.0)["refusals"][0]
    assert [one["ProcessName"] for one in world.fleet.described("spot")["SuspendedProcesses"]] == ["Launch"]
    with_reason("Auto Scaling suspended: no launch succeeded for 24 hours")
    world.plan(1.0)
    assert world.fleet.described("spot")["SuspendedProcesses"] == []


def test_the_functions_environment_survives_the_way_there() -> None:
    hooked = replace(PLANNED, launch_hook=LaunchHook("warm", 600, "ABANDON"))
    assert from_variable(as_variable([PLANNED, hooked])) == [PLANNED, hooked]
    assert moment("2026-11-28T08:15:00Z") == 1_795_853_700.0


def two_fleets_plan_under(world: World, vcpus: float) -> dict[str, Any]:
    """Models m and n want all their groups may have, spot and other; one node takes four vCPUs of the quota."""
    limited = [Group(name, True, 20, 0.41, "L-3819A6DF", 4) for name in ("spot", "other")]
    world.fleet.group("other", MaxSize=20)
    world.activate("v1", model="n")
    fleets = tuple(replace(PLANNED, model=model, groups=(each,)) for model, each in zip("mn", limited, strict=True))
    world.settings = replace(world.settings, fleets=fleets)
    world.clients = replace(world.clients, quotas=Quotas({"L-3819A6DF": vcpus}))
    world.minute += 1
    for model in "mn":
        world.ask(8.0, model=model)
    return run(world.settings, world.clients, world.now())


def test_fleets_that_want_more_than_a_quota_of_vcpus_share_it_and_say_so(world: World) -> None:
    done = two_fleets_plan_under(world, 40.0)
    assert (world.desired("spot"), world.desired("other")) == (5, 5)
    assert "the quota L-3819A6DF of 40, which all fleets share, has room for 5" in done["m"]["refusals"][0]


def test_a_paused_fleet_takes_nothing_of_a_quota_that_another_one_wants(world: World) -> None:
    world.control(paused=True)
    two_fleets_plan_under(world, 48.0)
    assert (world.desired("spot"), world.desired("other")) == (0, 12)  # all of it


def test_a_quota_that_cannot_be_read_holds_nobody_back(world: World) -> None:
    limited = Group("spot", True, 20, 0.41, "L-3819A6DF", 4)
    world.settings = replace(world.settings, fleets=(replace(PLANNED, groups=(limited,)),))
    world.plan(4.0)  # the local cloud has no Service Quotas
    assert world.desired("spot") >= 4
