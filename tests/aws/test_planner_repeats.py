"""Runs that come twice or late: a minute is learned once, and what its first run left undone is done."""

from datetime import UTC, datetime

import pytest

from inference_service import contract
from infra.planner.handler import run
from tests.aws.conftest import Fleet
from tests.aws.planner_world import World, notice, settled


@pytest.fixture
def world(fleet: Fleet) -> World:
    return World(fleet)


def published(world: World) -> float:
    """How many plans CloudWatch was told of."""
    data = world.clients.cloudwatch.get_metric_statistics(
        Namespace=contract.NAMESPACE_WARMFLEET,
        MetricName=contract.METRIC_PLANS,
        Dimensions=contract.model_dimensions("dev", "m"),
        StartTime=0,
        EndTime=datetime(2100, 1, 1, tzinfo=UTC),
        Period=86_400 * 365,
        Statistics=["Sum"],
    )
    return float(sum(each["Sum"] for each in data["Datapoints"]))


@pytest.mark.parametrize("minutes_old", [0, 1, 5])
def test_a_minute_that_comes_again_teaches_nothing_and_what_it_saw_is_learned_by_the_next(
    world: World, minutes_old: int
) -> None:
    settled(world, 4.0)
    before, plans = world.state(), published(world)
    taken, gone = sorted(world.fleet.states("spot"))[:2]
    notice(world, taken)
    world.fleet.asg.terminate_instance_in_auto_scaling_group(InstanceId=gone, ShouldDecrementDesiredCapacity=False)
    desired = world.desired("spot")
    assert run(world.settings, world.clients, world.now() - 60.0 * minutes_old)["m"]["repeated"]
    assert world.state() == before
    assert published(world) == plans
    assert world.desired("spot") == desired
    hidden = world.clients.sqs.get_queue_attributes(QueueUrl=world.queue, AttributeNames=["All"])["Attributes"]
    assert hidden["ApproximateNumberOfMessagesNotVisible"] == "1"  # comes back within the minute
    notice(world, taken)
    world.plan(4.0)
    assert world.state()["instances"]["noticed"] == [taken]
    assert published(world) == plans + 1


@pytest.mark.parametrize(("minutes_old", "finished"), [(0, True), (1, False)])
def test_a_second_run_of_a_minute_does_what_the_first_one_remembered_and_did_not_do(
    world: World, monkeypatch: pytest.MonkeyPatch, minutes_old: int, finished: bool
) -> None:
    settled(world, 4.0)
    with monkeypatch.context() as broken:
        broken.setattr("infra.planner.minute._change", lambda *given: None)  # it dies after it has remembered
        world.plan(9.0)
    wanted, before = world.state()["planner"]["last"]["spot"], world.desired("spot")
    assert wanted > before
    run(world.settings, world.clients, world.now() - 60.0 * minutes_old)
    assert world.desired("spot") == (wanted if finished else before)


def test_a_minute_of_figures_is_learned_once_though_a_gateway_is_late_with_the_next(world: World) -> None:
    settled(world, 4.0)
    world.minute += 1
    world.ask(4.0, late=50.0)
    for _ in range(3):  # the newest whole minute is the same one
        run(world.settings, world.clients, world.now())
        world.minute += 1
    planner, told = world.state()["planner"], world.state()["told"]
    assert 49 < planner["steering"]["late"] < 51
    assert told["observed"]["offered_tokens_per_second"] == 40.0
    assert planner["figures_minute"] == planner["minute"] - 3
