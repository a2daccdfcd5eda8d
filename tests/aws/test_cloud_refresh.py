"""How an instance refresh replaces instances, over HTTP with boto3.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-overview.html
"""

from typing import Any

import pytest

from localcloud.aws.autoscaling import refresh_bounds
from localcloud.aws.in_process import LocalAws
from tests.aws.rolling import BOOT, DRAIN, LAUNCH_FIRST, Rolling


@pytest.fixture
def rolling(aws: LocalAws, fleet: Any) -> Rolling:
    return Rolling(aws, fleet, 3, LifecycleHookSpecificationList=[BOOT, DRAIN])


def test_a_refresh_replaces_every_instance_and_then_changes_the_group(rolling: Rolling):
    rolling.start(desired="2")
    assert rolling.status() == "Pending"
    rolling.finish(least=3)
    found = rolling.refresh()
    assert (found["Status"], found["PercentageComplete"], found["InstancesToUpdate"]) == ("Successful", 100, 0)
    assert rolling.fleet.described()["LaunchTemplate"]["Version"] == "2"
    rolling.drain()
    assert not rolling.old & set(rolling.fleet.states())
    assert rolling.versions() == ["2", "2", "2"]


def test_the_group_keeps_its_own_configuration_while_a_refresh_runs(rolling: Rolling):
    rolling.start(desired="2")
    rolling.aws.tick()
    assert rolling.versions() == ["1", "1", "1", "2"]
    assert rolling.fleet.described()["LaunchTemplate"]["Version"] == "1"


def test_with_full_health_demanded_a_replacement_is_in_service_and_warm_before_an_old_one_drains(rolling: Rolling):
    rolling.start(desired="2")
    rolling.aws.tick(3)
    (new,) = rolling.held("Pending:Wait")
    assert len(rolling.held("InService")) == 3
    rolling.fleet.complete("boot", new)
    rolling.aws.pass_seconds(29)
    assert rolling.held("Terminating:Wait") == []
    rolling.aws.pass_seconds(1)
    assert len(rolling.held("Terminating:Wait")) == 1
    assert new in rolling.held("InService")


def test_the_maximum_limits_how_many_are_launched_ahead(rolling: Rolling):
    rolling.start({**LAUNCH_FIRST, "MaxHealthyPercentage": 167}, desired="2")
    rolling.aws.tick(3)
    assert len(rolling.held("Pending:Wait")) == 2


def test_the_minimum_limits_how_many_are_ended_at_once(rolling: Rolling):
    rolling.start({"MinHealthyPercentage": 33, "InstanceWarmup": 0}, desired="2")
    rolling.aws.tick()
    assert len(rolling.held("Terminating:Wait")) == 2
    rolling.finish(least=1)
    assert rolling.status() == "Successful"


def test_without_a_maximum_one_is_ended_and_launched_at_the_same_time(rolling: Rolling):
    rolling.start({"MinHealthyPercentage": 100, "InstanceWarmup": 0}, desired="2")
    rolling.aws.tick()
    assert sorted(rolling.fleet.states().values()) == ["InService", "InService", "Pending", "Terminating:Wait"]
    rolling.finish(least=2)
    assert rolling.status() == "Successful"


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((10, 90, None), (9, 10)),
        ((4, 90, None), (3, 4)),  # 3.6 leaves no room: one at a time
        ((1, 90, None), (0, 1)),
        ((3, 100, 100), (3, 4)),
        ((3, 100, 110), (3, 4)),
        ((20, 100, 110), (20, 22)),
        ((0, 100, 110), (0, 0)),
    ],
)
def test_at_least_one_instance_can_always_be_replaced(numbers: tuple[int, int, int | None], expected: tuple[int, int]):
    assert refresh_bounds.bounds(*numbers) == expected


def test_warm_up_defaults_to_the_groups(aws: LocalAws, fleet: Any):
    rolling = Rolling(aws, fleet, 1, DefaultInstanceWarmup=77)
    rolling.start({"MinHealthyPercentage": 100, "MaxHealthyPercentage": 200}, desired="2")
    rolling.aws.tick(4)
    rolling.aws.pass_seconds(76)
    assert len(rolling.held("InService")) == 2
    rolling.aws.pass_seconds(1)
    assert rolling.status() == "Successful"


def test_instances_that_match_are_skipped(rolling: Rolling):
    rolling.start({**LAUNCH_FIRST, "SkipMatching": True}, desired="1")
    assert rolling.status() == "Successful"
    rolling.asg.update_auto_scaling_group(AutoScalingGroupName="g", LaunchTemplate=rolling.version("2"))
    rolling.asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=4)
    rolling.settle()
    rolling.start({**LAUNCH_FIRST, "SkipMatching": True}, desired="2")
    assert rolling.refresh()["InstancesToUpdate"] == 3


def test_an_instance_of_another_type_does_not_match(aws: LocalAws, fleet: Any):
    template = {"LaunchTemplateId": fleet.template(), "Version": "1"}

    def policy(instance_type: str) -> dict[str, Any]:
        overrides = [{"InstanceType": instance_type}]
        return {"LaunchTemplate": {"LaunchTemplateSpecification": template, "Overrides": overrides}}

    fleet.group(DesiredCapacity=1, MixedInstancesPolicy=policy("t3.small"))
    aws.tick(2)
    desired = {"MixedInstancesPolicy": policy("t3.large")}
    skip = {"SkipMatching": True, "InstanceWarmup": 0}
    fleet.asg.start_instance_refresh(AutoScalingGroupName="g", Preferences=skip, DesiredConfiguration=desired)
    aws.tick(4)
    assert [each["InstanceType"] for each in fleet.described()["Instances"]] == ["t3.large"]
    overrides = fleet.described()["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    assert overrides == [{"InstanceType": "t3.large"}]


def test_a_refresh_of_an_empty_group_has_nothing_to_do(aws: LocalAws, fleet: Any):
    rolling = Rolling(aws, fleet, 0)
    rolling.start({**LAUNCH_FIRST, "AutoRollback": True}, desired="2")
    assert rolling.status() == "Successful"
    assert rolling.fleet.described()["LaunchTemplate"]["Version"] == "2"


def test_one_refresh_at_a_time(rolling: Rolling):
    rolling.start(desired="2")
    refused = rolling.fleet.refusal(rolling.start)
    assert refused[0] == "InstanceRefreshInProgress"


@pytest.mark.parametrize(
    ("preferences", "reason"),
    [
        ({"MinHealthyPercentage": 101}, "MinHealthyPercentage 101 must be between 0 and 100"),
        ({"MinHealthyPercentage": 90, "MaxHealthyPercentage": 201}, "between 100 and 200"),
        ({"MinHealthyPercentage": 50, "MaxHealthyPercentage": 160}, "at most 100 above"),
        ({"MaxHealthyPercentage": 110}, "MinHealthyPercentage must be specified"),
        ({"ScaleInProtectedInstances": "Maybe"}, "must be one of Refresh, Ignore, Wait"),
        ({"AutoRollback": True}, "AutoRollback parameter cannot be set to true when the DesiredConfiguration"),
        ({"CheckpointPercentages": [50, 100]}, "is not simulated by the local cloud"),
    ],
)
def test_preferences_that_aws_refuses_are_refused(rolling: Rolling, preferences: dict[str, Any], reason: str):
    code, text = rolling.fleet.refusal(rolling.start, preferences=preferences)
    assert (code, reason in text) == ("ValidationError", True), text
    assert rolling.asg.describe_instance_refreshes(AutoScalingGroupName="g")["InstanceRefreshes"] == []


def test_protected_instances_are_left_alone_refreshed_or_waited_for_as_asked(aws: LocalAws, fleet: Any):
    rolling = Rolling(aws, fleet, 1, NewInstancesProtectedFromScaleIn=True)
    rolling.start({**LAUNCH_FIRST, "ScaleInProtectedInstances": "Ignore"}, desired="2")
    assert rolling.status() == "Successful"
    rolling.start({**LAUNCH_FIRST, "ScaleInProtectedInstances": "Wait"}, desired="2")
    rolling.aws.tick(4)
    rolling.aws.pass_seconds(3599)
    assert (rolling.status(), set(rolling.fleet.states()) >= rolling.old) == ("InProgress", True)
    rolling.aws.pass_seconds(2)
    assert rolling.status() == "Failed"
    rolling.start({**LAUNCH_FIRST, "ScaleInProtectedInstances": "Refresh"}, desired="2")
    rolling.finish(least=1)
    assert (rolling.status(), rolling.old & set(rolling.fleet.states())) == ("Successful", set())


def test_a_suspended_refresh_replaces_nothing(rolling: Rolling):
    rolling.start(desired="2")
    rolling.asg.suspend_processes(AutoScalingGroupName="g", ScalingProcesses=["InstanceRefresh"])
    rolling.settle()
    assert set(rolling.fleet.states()) == rolling.old


def test_instances_that_scaling_adds_during_a_refresh_are_new_ones(rolling: Rolling):
    rolling.start(desired="2")
    rolling.asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=5)
    rolling.aws.tick()
    assert rolling.versions().count("2") >= 2
    rolling.finish()
    assert (rolling.status(), len(rolling.held("InService"))) == ("Successful", 5)


def test_a_group_that_is_scaled_to_zero_ends_its_refresh_through_its_hooks(rolling: Rolling):
    rolling.start(desired="2")
    rolling.aws.tick(3)
    rolling.asg.update_auto_scaling_group(AutoScalingGroupName="g", MinSize=0, MaxSize=0, DesiredCapacity=0)
    rolling.aws.tick(2)
    assert set(rolling.fleet.states().values()) == {"Terminating:Wait"}
    code, _ = rolling.fleet.refusal(rolling.asg.delete_auto_scaling_group, AutoScalingGroupName="g")
    assert code == "ResourceInUse"
    rolling.drain()
    rolling.aws.tick()
    rolling.asg.delete_auto_scaling_group(AutoScalingGroupName="g")


def test_a_group_with_an_active_refresh_is_deleted_with_force(rolling: Rolling):
    rolling.start(desired="2")
    rolling.aws.tick(2)
    rolling.asg.delete_auto_scaling_group(AutoScalingGroupName="g", ForceDelete=True)
    rolling.aws.tick(2)
    assert rolling.asg.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    code, _ = rolling.fleet.refusal(rolling.asg.describe_instance_refreshes, AutoScalingGroupName="g")
    assert code == "ValidationError"


def test_refreshes_are_told_newest_first_page_by_page_and_by_id(aws: LocalAws, fleet: Any):
    rolling = Rolling(aws, fleet, 0)
    first, second = rolling.start(desired="2"), rolling.start(desired="2")
    describe = rolling.asg.describe_instance_refreshes
    page = describe(AutoScalingGroupName="g", MaxRecords=1)
    assert [each["InstanceRefreshId"] for each in page["InstanceRefreshes"]] == [second]
    page = describe(AutoScalingGroupName="g", NextToken=page["NextToken"])
    assert [each["InstanceRefreshId"] for each in page["InstanceRefreshes"]] == [first]
    found = describe(AutoScalingGroupName="g", InstanceRefreshIds=[first])["InstanceRefreshes"][0]
    assert (found["Strategy"], found["Preferences"]) == ("Rolling", LAUNCH_FIRST)
    assert found["DesiredConfiguration"]["LaunchTemplate"]["Version"] == "2"
