"""Lifecycle hooks of groups, over HTTP with boto3.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html
"""

from typing import Any

import pytest

from localcloud.aws.in_process import LocalAws

LAUNCH = {
    "LifecycleHookName": "boot",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
    "HeartbeatTimeout": 300,
}
TERMINATE = {
    "LifecycleHookName": "drain",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
    "HeartbeatTimeout": 100,
    "DefaultResult": "CONTINUE",
}


def test_an_instance_is_pending_then_waits_for_its_launch_hook(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=1, LifecycleHookSpecificationList=[LAUNCH])
    assert fleet.states() == {}
    aws.tick()
    assert list(fleet.states().values()) == ["Pending"]
    assert [each["State"]["Name"] for each in fleet.instances()] == ["pending"]
    aws.tick(3)
    assert list(fleet.states().values()) == ["Pending:Wait"]
    assert [each["State"]["Name"] for each in fleet.instances()] == ["running"]
    assert fleet.activities()[0]["StatusCode"] == "MidLifecycleAction"


def test_without_a_hook_an_instance_goes_into_service(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=1)
    aws.tick(2)
    assert list(fleet.states().values()) == ["InService"]
    (activity,) = fleet.activities()
    assert (activity["StatusCode"], activity["Progress"]) == ("Successful", 100)
    assert activity["Description"] == f"Launching a new EC2 instance: {next(iter(fleet.states()))}"


@pytest.fixture
def waiting(aws: LocalAws, fleet: Any) -> str:
    """The one instance of group g, held by the launch hook; a terminate hook exists too."""
    fleet.group(DesiredCapacity=1, LifecycleHookSpecificationList=[LAUNCH, TERMINATE])
    aws.tick(2)
    (instance_id,) = fleet.states()
    return str(instance_id)


def test_completing_the_launch_hook_puts_the_instance_into_service(fleet: Any, waiting: str):
    fleet.complete("boot", waiting)
    assert fleet.states() == {waiting: "InService"}


def test_a_hook_can_be_completed_by_its_token(fleet: Any, waiting: str):
    wait = _member(waiting).waits["boot"]
    fleet.asg.complete_lifecycle_action(
        LifecycleHookName="boot",
        AutoScalingGroupName="g",
        LifecycleActionResult="CONTINUE",
        LifecycleActionToken=wait.token,
    )
    assert fleet.states() == {waiting: "InService"}


def test_completing_twice_or_for_nobody_is_refused_as_validation_error(fleet: Any, waiting: str):
    """The node takes this code as "nothing to complete" (inference_service/node/hooks.py)."""
    fleet.complete("boot", waiting)
    for instance_id in (waiting, "i-0123456789abcdef0"):
        code, text = fleet.refusal(fleet.complete, hook="boot", instance_id=instance_id)
        assert (code, instance_id in text) == ("ValidationError", True)
    code, _ = fleet.refusal(
        fleet.asg.record_lifecycle_action_heartbeat,
        LifecycleHookName="boot",
        AutoScalingGroupName="g",
        InstanceId=waiting,
    )
    assert code == "ValidationError"


def test_a_result_other_than_continue_and_abandon_is_refused(fleet: Any, waiting: str):
    code, text = fleet.refusal(fleet.complete, hook="boot", instance_id=waiting, result="GO")
    assert (code, "CONTINUE" in text) == ("ValidationError", True)
    assert fleet.states() == {waiting: "Pending:Wait"}


def test_an_abandoned_launch_ends_and_is_replaced(aws: LocalAws, fleet: Any, waiting: str):
    fleet.complete("boot", waiting, "ABANDON")
    assert fleet.states() == {waiting: "Terminating:Wait"}
    aws.tick()
    assert sorted(fleet.states().values()) == ["Pending", "Terminating:Wait"]
    launched = [each for each in fleet.activities() if each["StatusCode"] == "Cancelled"]
    assert "completed with ABANDON Result" in launched[0]["StatusMessage"]


def test_a_launch_hook_times_out_into_its_default_result_abandon(aws: LocalAws, fleet: Any, waiting: str):
    aws.pass_seconds(299)
    assert fleet.states() == {waiting: "Pending:Wait"}
    aws.pass_seconds(1)
    assert fleet.states()[waiting] == "Terminating:Wait"
    cancelled = [each for each in fleet.activities() if each["StatusCode"] == "Cancelled"]
    assert "Heartbeat Timeout" in cancelled[0]["StatusMessage"]


def test_a_launch_hook_with_default_continue_lets_the_instance_in(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=1, LifecycleHookSpecificationList=[{**LAUNCH, "DefaultResult": "CONTINUE"}])
    aws.tick(2)
    aws.pass_seconds(300)
    assert list(fleet.states().values()) == ["InService"]


def test_a_heartbeat_begins_the_timeout_again(aws: LocalAws, fleet: Any, waiting: str):
    aws.pass_seconds(200)
    fleet.asg.record_lifecycle_action_heartbeat(LifecycleHookName="boot", AutoScalingGroupName="g", InstanceId=waiting)
    aws.pass_seconds(299)
    assert fleet.states() == {waiting: "Pending:Wait"}
    aws.pass_seconds(1)
    assert fleet.states()[waiting] == "Terminating:Wait"


def test_heartbeats_end_after_a_hundred_timeouts(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=1, LifecycleHookSpecificationList=[{**LAUNCH, "HeartbeatTimeout": 30}])
    aws.tick(2)
    (instance_id,) = fleet.states()
    beats = 0
    while fleet.states().get(instance_id) == "Pending:Wait":
        fleet.asg.record_lifecycle_action_heartbeat(
            LifecycleHookName="boot", AutoScalingGroupName="g", InstanceId=instance_id
        )
        aws.pass_seconds(29)
        beats += 1
        assert beats < 200
    assert beats * 29 == pytest.approx(3000, abs=29)


def test_scale_in_waits_for_the_terminate_hook_while_the_instance_runs(aws: LocalAws, fleet: Any, waiting: str):
    fleet.complete("boot", waiting)
    fleet.asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=0)
    aws.tick()
    assert fleet.states() == {waiting: "Terminating:Wait"}
    assert fleet.instance(waiting)["State"]["Name"] == "running"
    fleet.complete("drain", waiting)
    assert fleet.states() == {}
    assert fleet.instance(waiting)["State"]["Name"] == "terminated"
    assert fleet.activities()[0]["StatusCode"] == "Successful"


def test_a_terminate_hook_times_out_into_the_end_of_the_instance(aws: LocalAws, fleet: Any, waiting: str):
    fleet.complete("boot", waiting)
    fleet.asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=0)
    aws.tick()
    aws.pass_seconds(99)
    assert fleet.states() == {waiting: "Terminating:Wait"}
    aws.pass_seconds(1)
    assert fleet.states() == {}


@pytest.mark.parametrize("seconds", [29, 7201])
def test_heartbeat_timeouts_outside_aws_limits_are_refused(fleet: Any, seconds: int):
    hook = {**LAUNCH, "HeartbeatTimeout": seconds}
    code, text = fleet.refusal(fleet.group, LifecycleHookSpecificationList=[hook])
    assert (code, str(seconds) in text) == ("ValidationError", True)
    assert fleet.asg.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    fleet.group("other")
    assert fleet.refusal(fleet.asg.put_lifecycle_hook, AutoScalingGroupName="other", **hook)[0] == "ValidationError"
    assert fleet.asg.describe_lifecycle_hooks(AutoScalingGroupName="other")["LifecycleHooks"] == []


def test_hooks_are_described_with_aws_defaults_and_changed_in_part(fleet: Any):
    fleet.group()
    transition = TERMINATE["LifecycleTransition"]
    fleet.asg.put_lifecycle_hook(AutoScalingGroupName="g", LifecycleHookName="h", LifecycleTransition=transition)
    fleet.asg.put_lifecycle_hook(AutoScalingGroupName="g", LifecycleHookName="h", HeartbeatTimeout=60)
    (hook,) = fleet.asg.describe_lifecycle_hooks(AutoScalingGroupName="g")["LifecycleHooks"]
    assert hook == {
        "LifecycleHookName": "h",
        "AutoScalingGroupName": "g",
        "LifecycleTransition": transition,
        "HeartbeatTimeout": 60,
        "GlobalTimeout": 6000,
        "DefaultResult": "ABANDON",
    }


def test_deleting_a_hook_releases_the_instances_it_holds(aws: LocalAws, fleet: Any, waiting: str):
    fleet.asg.delete_lifecycle_hook(AutoScalingGroupName="g", LifecycleHookName="boot")
    assert fleet.states()[waiting] == "Terminating:Wait"
    fleet.asg.delete_lifecycle_hook(AutoScalingGroupName="g", LifecycleHookName="drain")
    aws.tick(3)
    assert list(fleet.states().values()) == ["InService"]
    assert waiting not in fleet.states()


def test_an_instance_ended_from_outside_is_replaced_while_its_terminate_hook_runs_out(
    aws: LocalAws, fleet: Any, waiting: str
):
    """As AWS support says in https://github.com/getsocial-rnd/ecs-drain-lambda/issues/6."""
    fleet.complete("boot", waiting)
    fleet.ec2.terminate_instances(InstanceIds=[waiting])
    aws.tick()
    assert sorted(fleet.states().values()) == ["Pending", "Terminating:Wait"]
    aws.pass_seconds(100)
    assert waiting not in fleet.states()


def test_deleting_a_hook_leaves_a_terminating_instance_to_its_other_hooks(aws: LocalAws, fleet: Any, waiting: str):
    fleet.asg.put_lifecycle_hook(AutoScalingGroupName="g", **{**TERMINATE, "LifecycleHookName": "second"})
    fleet.complete("boot", waiting)
    fleet.asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=0)
    aws.tick()
    fleet.asg.delete_lifecycle_hook(AutoScalingGroupName="g", LifecycleHookName="drain")
    assert fleet.states() == {waiting: "Terminating:Wait"}
    fleet.complete("second", waiting)
    assert fleet.states() == {}


def test_abandoning_one_hook_of_a_terminating_instance_spares_it_the_others(aws: LocalAws, fleet: Any, waiting: str):
    fleet.asg.put_lifecycle_hook(AutoScalingGroupName="g", **{**TERMINATE, "LifecycleHookName": "second"})
    fleet.complete("boot", waiting)
    fleet.asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=0)
    aws.tick()
    fleet.complete("drain", waiting, "ABANDON")
    assert fleet.states() == {}


def test_time_runs_faster_by_the_time_scale():
    from localcloud.aws.clock import Clock

    real = iter([0.0, 2.0])
    clock = Clock(60.0, lambda: next(real))
    assert clock.now() == 120.0
    assert (clock.date(120.0) - clock.date(0.0)).total_seconds() == 2.0


def _member(instance_id: str) -> Any:
    from moto.autoscaling.models import autoscaling_backends

    return autoscaling_backends["123456789012"]["us-east-1"].known_member(instance_id)
