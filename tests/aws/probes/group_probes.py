"""What groups do on AWS: hooks, bounds, settings, activities. Each probe fails where moto does not do it."""

from botocore.exceptions import ClientError
from group_setup import GROUP, make_group
from world import world

LAUNCH_HOOK = {"LifecycleHookName": "warm", "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"}
TERMINATE_HOOK = {"LifecycleHookName": "drain", "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING"}
MIXED = {"Overrides": [{"InstanceType": "p5.48xlarge"}]}


def a_launch_hook_holds_an_instance() -> None:
    group = make_group(LifecycleHookSpecificationList=[LAUNCH_HOOK])
    assert [each["LifecycleState"] for each in group.members()] in (["Pending"] * 3, ["Pending:Wait"] * 3)


def a_terminate_hook_holds_an_instance() -> None:
    group = make_group()
    group.autoscaling.put_lifecycle_hook(AutoScalingGroupName=GROUP, **TERMINATE_HOOK)
    gone = group.members()[0]["InstanceId"]
    group.autoscaling.terminate_instance_in_auto_scaling_group(InstanceId=gone, ShouldDecrementDesiredCapacity=True)
    states = {each["InstanceId"]: each["LifecycleState"] for each in group.members()}
    assert states.get(gone, "").startswith("Terminating")


def hooks_can_be_given_with_the_group() -> None:
    group = make_group(LifecycleHookSpecificationList=[LAUNCH_HOOK, TERMINATE_HOOK])
    assert len(group.autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=GROUP)["LifecycleHooks"]) == 2


def a_hook_without_a_notification_target_has_none() -> None:
    group = make_group()
    group.autoscaling.put_lifecycle_hook(AutoScalingGroupName=GROUP, **LAUNCH_HOOK)
    (hook,) = group.autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=GROUP)["LifecycleHooks"]
    assert "NotificationTargetARN" not in hook


def a_hook_that_waits_too_long_is_refused() -> None:
    group = make_group()
    _refused(group.autoscaling.put_lifecycle_hook, AutoScalingGroupName=GROUP, HeartbeatTimeout=7201, **LAUNCH_HOOK)


def an_action_that_no_hook_waits_for_cannot_be_completed() -> None:
    arguments = {"LifecycleHookName": "warm", "LifecycleActionResult": "CONTINUE", "InstanceId": "i-1"}
    _refused(make_group().autoscaling.complete_lifecycle_action, AutoScalingGroupName=GROUP, **arguments)


def an_action_that_no_hook_waits_for_has_no_heartbeat() -> None:
    call = make_group().autoscaling.record_lifecycle_action_heartbeat
    _refused(call, AutoScalingGroupName=GROUP, LifecycleHookName="warm", InstanceId="i-1")


def a_capacity_above_the_maximum_is_refused() -> None:
    group = make_group()
    _refused(group.autoscaling.set_desired_capacity, AutoScalingGroupName=GROUP, DesiredCapacity=9)


def a_group_beyond_its_own_bounds_is_refused() -> None:
    _refused(make_group, DesiredCapacity=9)


def a_mixed_instances_policy_survives_an_update() -> None:
    group = make_group(mixed=MIXED)
    group.autoscaling.update_auto_scaling_group(AutoScalingGroupName=GROUP, MinSize=1)
    assert "MixedInstancesPolicy" in group.describe()


def default_instance_warm_up_is_kept() -> None:
    assert make_group(DefaultInstanceWarmup=77).describe()["DefaultInstanceWarmup"] == 77


def capacity_rebalancing_can_be_turned_on_later() -> None:
    group = make_group()
    group.autoscaling.update_auto_scaling_group(AutoScalingGroupName=GROUP, CapacityRebalance=True)
    assert group.describe()["CapacityRebalance"] is True


def a_group_tells_its_activities() -> None:
    group = make_group()
    world.settle()
    assert group.autoscaling.describe_scaling_activities(AutoScalingGroupName=GROUP)["Activities"]


def a_group_with_instances_is_not_deleted() -> None:
    group = make_group()
    assert group.members()
    _refused(group.autoscaling.delete_auto_scaling_group, AutoScalingGroupName=GROUP)


def a_policy_tells_its_arn() -> None:
    call = make_group().autoscaling.put_scaling_policy
    made = call(AutoScalingGroupName=GROUP, PolicyName="p", AdjustmentType="ChangeInCapacity", ScalingAdjustment=1)
    assert made["PolicyARN"]


def a_group_that_may_not_launch_does_not() -> None:
    group = make_group()
    assert len(group.members()) == 3
    group.autoscaling.suspend_processes(AutoScalingGroupName=GROUP, ScalingProcesses=["Launch"])
    group.set_capacity(6)
    assert len(group.members()) == 3


def only_instances_in_service_become_targets() -> None:
    elb, ec2 = world.client("elbv2"), world.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    targets = elb.create_target_group(Name="t", Protocol="HTTP", Port=80, VpcId=vpc)["TargetGroups"][0]
    arn = targets["TargetGroupArn"]
    make_group(LifecycleHookSpecificationList=[LAUNCH_HOOK], TargetGroupARNs=[arn])
    world.settle()
    assert elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"] == []


def _refused(call: object, **arguments: object) -> None:
    try:
        call(**arguments)  # type: ignore[operator]
    except ClientError:
        return
    raise AssertionError("accepted")


PROBES = [
    a_launch_hook_holds_an_instance,
    a_terminate_hook_holds_an_instance,
    hooks_can_be_given_with_the_group,
    a_hook_without_a_notification_target_has_none,
    a_hook_that_waits_too_long_is_refused,
    an_action_that_no_hook_waits_for_cannot_be_completed,
    an_action_that_no_hook_waits_for_has_no_heartbeat,
    a_capacity_above_the_maximum_is_refused,
    a_group_beyond_its_own_bounds_is_refused,
    a_mixed_instances_policy_survives_an_update,
    default_instance_warm_up_is_kept,
    capacity_rebalancing_can_be_turned_on_later,
    a_group_tells_its_activities,
    a_group_with_instances_is_not_deleted,
    a_policy_tells_its_arn,
    a_group_that_may_not_launch_does_not,
    only_instances_in_service_become_targets,
]
