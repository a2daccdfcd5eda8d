"""How an instance refresh fails, is cancelled and rolls back, over HTTP with boto3.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-rollback.html
"""

from typing import Any

import pytest

from localcloud.aws.in_process import LocalAws
from tests.aws.rolling import BOOT, DRAIN, LAUNCH_FIRST, Rolling


@pytest.fixture
def rolling(aws: LocalAws, fleet: Any) -> Rolling:
    return Rolling(aws, fleet, 3, LifecycleHookSpecificationList=[BOOT, DRAIN])


def test_a_refresh_whose_replacements_never_become_warm_fails_after_an_hour(rolling: Rolling):
    rolling.start(desired="2")
    rolling.fail_for(3300)
    assert rolling.status() == "InProgress"
    rolling.fail_for(600)
    found = rolling.refresh()
    assert (found["Status"], "No replacement became healthy" in found["StatusReason"]) == ("Failed", True)
    assert rolling.old <= set(rolling.held("InService"))
    rolling.fail_for(600)
    assert set(rolling.fleet.states()) >= rolling.old


def test_progress_gives_a_refresh_another_hour(rolling: Rolling):
    rolling.start(desired="2")
    for _ in range(3):
        rolling.aws.pass_seconds(3000)
        rolling.settle()
        rolling.aws.pass_seconds(30)
        rolling.drain()
        assert rolling.status() in ("InProgress", "Successful")


def test_a_failed_refresh_with_auto_rollback_goes_back_to_the_configuration_of_the_group(rolling: Rolling):
    rolling.start({**LAUNCH_FIRST, "AutoRollback": True}, desired="2")
    rolling.settle()
    rolling.aws.pass_seconds(30)
    rolling.drain()
    assert rolling.versions().count("2") >= 1
    rolling.fail_for(4200)
    assert rolling.status() == "RollbackInProgress"
    details = rolling.refresh()["RollbackDetails"]
    assert (details["PercentageCompleteOnRollback"], details["InstancesToUpdateOnRollback"]) == (33, 2)
    rolling.finish(least=3)
    assert rolling.status() == "RollbackSuccessful"
    rolling.settle()
    assert rolling.versions() == ["1", "1", "1"]
    assert rolling.fleet.described()["LaunchTemplate"]["Version"] == "1"


def test_a_group_that_was_changed_before_its_refresh_rolls_back_to_what_it_was_changed_to(rolling: Rolling):
    """As Pulumi's provider does it: hashicorp/terraform-provider-aws issue 34189. The old version does not return."""
    rolling.asg.update_auto_scaling_group(AutoScalingGroupName="g", LaunchTemplate=rolling.version("2"))
    rolling.start({**LAUNCH_FIRST, "AutoRollback": True}, desired="2")
    rolling.fail_for(3900)
    assert rolling.status().startswith("Rollback")
    assert rolling.fleet.described()["LaunchTemplate"]["Version"] == "2"
    assert rolling.old <= set(rolling.held("InService")), "what served goes on serving"


def test_a_rollback_on_request_replaces_what_was_deployed(rolling: Rolling):
    id_ = rolling.start(desired="2")
    rolling.settle()
    rolling.aws.pass_seconds(30)
    reply = rolling.asg.rollback_instance_refresh(AutoScalingGroupName="g")
    assert reply["InstanceRefreshId"] == id_
    rolling.finish()
    assert rolling.refresh()["PercentageComplete"] == 0
    assert rolling.status() == "RollbackSuccessful"
    rolling.settle()
    assert rolling.versions() == ["1", "1", "1"]


@pytest.mark.parametrize("moving", ["$Latest", "$Default"])
def test_a_group_of_a_moving_version_has_no_way_back(aws: LocalAws, fleet: Any, moving: str):
    rolling = Rolling(aws, fleet, 1)
    rolling.asg.update_auto_scaling_group(AutoScalingGroupName="g", LaunchTemplate=rolling.version(moving))
    code, text = fleet.refusal(rolling.start, preferences={**LAUNCH_FIRST, "AutoRollback": True}, desired="2")
    assert (code, moving in text) == ("ValidationError", True)
    rolling.start(desired="2")
    code, text = fleet.refusal(rolling.asg.rollback_instance_refresh, AutoScalingGroupName="g")
    assert (code, moving in text) == ("IrreversibleInstanceRefresh", True)


def test_a_group_whose_image_is_a_parameter_has_no_way_back(aws: LocalAws, fleet: Any):
    template = {"LaunchTemplateId": fleet.template(ImageId="resolve:ssm:/images/node"), "Version": "1"}
    fleet.group(LaunchTemplate=template)
    code, text = fleet.refusal(
        fleet.asg.start_instance_refresh,
        AutoScalingGroupName="g",
        Preferences={"AutoRollback": True},
        DesiredConfiguration={"LaunchTemplate": template},
    )
    assert (code, "Systems Manager parameter" in text) == ("ValidationError", True)


def test_a_refresh_without_a_desired_configuration_cannot_be_rolled_back(rolling: Rolling):
    rolling.start()
    code, _ = rolling.fleet.refusal(rolling.asg.rollback_instance_refresh, AutoScalingGroupName="g")
    assert code == "IrreversibleInstanceRefresh"


@pytest.mark.parametrize("action", ["cancel_instance_refresh", "rollback_instance_refresh"])
def test_only_an_active_refresh_is_cancelled_or_rolled_back(rolling: Rolling, action: str):
    code, _ = rolling.fleet.refusal(getattr(rolling.asg, action), AutoScalingGroupName="g")
    assert code == "ActiveInstanceRefreshNotFound"


def test_a_cancelled_refresh_waits_for_what_comes_and_goes_and_undoes_nothing(rolling: Rolling):
    rolling.start(desired="2")
    rolling.settle()
    rolling.aws.pass_seconds(30)
    rolling.asg.cancel_instance_refresh(AutoScalingGroupName="g")
    rolling.aws.tick()
    assert rolling.status() == "Cancelling"
    for _ in range(2):
        rolling.drain()
        rolling.settle()
    assert rolling.status() == "Cancelled"
    assert rolling.versions() == ["1", "1", "2"]


def test_a_refresh_can_be_cancelled_without_waiting(rolling: Rolling):
    rolling.start(desired="2")
    rolling.aws.tick(2)
    rolling.asg.cancel_instance_refresh(AutoScalingGroupName="g", WaitForTransitioningInstances=False)
    assert rolling.status() == "Cancelled"
