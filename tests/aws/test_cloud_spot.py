"""Notices to spot instances.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-capacity-rebalancing.html
"""

from typing import Any

import pytest

from localcloud.aws.ec2.facts import read_facts
from localcloud.aws.in_process import LocalAws

DRAIN = {
    "LifecycleHookName": "drain",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
    "HeartbeatTimeout": 300,
}


def spot_group(aws: LocalAws, fleet: Any, **more: Any) -> str:
    """A group of one spot instance in service; returns its id."""
    policy = {
        "LaunchTemplate": {"LaunchTemplateSpecification": {"LaunchTemplateId": fleet.template()}},
        "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 0},
    }
    fleet.group(DesiredCapacity=1, MixedInstancesPolicy=policy, **more)
    aws.tick(2)
    (instance_id,) = fleet.states()
    return str(instance_id)


def test_ec2_takes_the_instance_when_the_notice_ends_and_the_group_replaces_it(aws: LocalAws, fleet: Any):
    taken = spot_group(aws, fleet)
    assert fleet.call("spot/interrupt", {"instance_id": taken})[0] == 200
    aws.pass_seconds(119)
    assert fleet.states() == {taken: "InService"}
    aws.pass_seconds(1)
    found = fleet.instance(taken)
    assert (found["State"]["Name"], found["StateReason"]["Code"]) == ("terminated", "Server.SpotInstanceTermination")
    aws.tick(2)
    assert list(fleet.states().values()) == ["InService"]
    assert taken not in fleet.states()


def test_the_facts_of_an_instance_tell_of_its_notice(aws: LocalAws, fleet: Any):
    instance_id = spot_group(aws, fleet)
    before = read_facts(instance_id)
    assert before is not None
    assert (before.market, before.spot_ends_at, before.rebalance_at) == ("spot", None, None)
    fleet.call("spot/interrupt", {"instance_id": instance_id, "notice_seconds": 60, "rebalance": True})
    facts = read_facts(instance_id)
    assert facts is not None
    assert facts.spot_ends_at is not None
    assert facts.spot_noticed_at == facts.rebalance_at
    assert (facts.spot_ends_at - facts.spot_noticed_at).total_seconds() == 60
    aws.pass_seconds(60)
    assert read_facts(instance_id) is None


def test_with_capacity_rebalance_a_notice_runs_the_terminate_hook_at_once(aws: LocalAws, fleet: Any):
    taken = spot_group(aws, fleet, CapacityRebalance=True, LifecycleHookSpecificationList=[DRAIN])
    fleet.call("spot/interrupt", {"instance_id": taken})
    aws.tick()
    assert fleet.states()[taken] == "Terminating:Wait"
    assert len(fleet.states()) == 2
    facts = read_facts(taken)
    assert facts is not None
    assert (facts.lifecycle_state, facts.target_lifecycle_state) == ("Terminating:Wait", "Terminated")


def test_no_hook_delays_ec2(aws: LocalAws, fleet: Any):
    taken = spot_group(aws, fleet, CapacityRebalance=True, LifecycleHookSpecificationList=[DRAIN])
    fleet.call("spot/interrupt", {"instance_id": taken, "notice_seconds": 60})
    aws.tick()
    aws.pass_seconds(59)
    fleet.asg.record_lifecycle_action_heartbeat(LifecycleHookName="drain", AutoScalingGroupName="g", InstanceId=taken)
    aws.pass_seconds(1)
    assert taken not in fleet.states()


def test_a_rebalance_recommendation_orders_a_replacement_first(aws: LocalAws, fleet: Any):
    old = spot_group(aws, fleet, CapacityRebalance=True)
    fleet.call("spot/rebalance", {"instance_id": old})
    aws.tick()
    assert sorted(fleet.states().values()) == ["InService", "Pending"]
    aws.tick(2)
    assert old not in fleet.states()
    assert list(fleet.states().values()) == ["InService"]


def test_without_capacity_rebalance_a_recommendation_changes_nothing(aws: LocalAws, fleet: Any):
    instance_id = spot_group(aws, fleet)
    fleet.call("spot/rebalance", {"instance_id": instance_id})
    aws.tick(5)
    assert fleet.states() == {instance_id: "InService"}


def test_only_living_spot_instances_get_notices(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=1)
    aws.tick(2)
    (on_demand,) = fleet.states()
    for path in ("spot/interrupt", "spot/rebalance"):
        status, answer = fleet.call(path, {"instance_id": on_demand})
        assert (status, "on-demand" in answer["error"]) == (400, True)
        status, answer = fleet.call(path, {"instance_id": "i-0"})
        assert (status, "i-0" in answer["error"]) == (404, True)
        assert fleet.call(path, {})[0] == 400
    assert aws.cloud.spot == {}


@pytest.mark.parametrize("seconds", ["soon", -1])
def test_a_notice_needs_a_length_in_seconds(aws: LocalAws, fleet: Any, seconds: Any):
    instance_id = spot_group(aws, fleet)
    status, answer = fleet.call("spot/interrupt", {"instance_id": instance_id, "notice_seconds": seconds})
    assert (status, "notice_seconds" in answer["error"]) == (400, True)
    assert read_facts(instance_id).spot_ends_at is None  # type: ignore[union-attr]
