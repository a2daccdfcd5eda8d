"""Sizes of groups, their instances' ends, and what the status command reads about them."""

from typing import Any

import pytest

from localcloud.aws.in_process import LocalAws


def test_desired_capacity_stays_between_the_bounds(fleet: Any):
    fleet.group(MinSize=1, MaxSize=3, DesiredCapacity=2)
    for asked in (0, 4):
        code, text = fleet.refusal(fleet.asg.set_desired_capacity, AutoScalingGroupName="g", DesiredCapacity=asked)
        assert code == "ValidationError"
        limit = "below min value 1" if asked == 0 else "above max value 3"
        assert f"New SetDesiredCapacity value {asked} is {limit}" in text
        code, text = fleet.refusal(
            fleet.asg.update_auto_scaling_group, AutoScalingGroupName="g", DesiredCapacity=asked, MaxSize=3
        )
        assert (code, f"Desired capacity:{asked} must be between" in text) == ("ValidationError", True)
    assert fleet.described()["DesiredCapacity"] == 2


@pytest.mark.parametrize("sizes", [{"DesiredCapacity": 7}, {"MinSize": 7}, {"MinSize": 2, "DesiredCapacity": 1}])
def test_a_group_that_is_refused_leaves_nothing(fleet: Any, sizes: dict[str, int]):
    assert fleet.refusal(fleet.group, **sizes)[0] == "ValidationError"
    assert fleet.asg.describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_new_bounds_move_the_desired_capacity(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=4)
    fleet.asg.update_auto_scaling_group(AutoScalingGroupName="g", MaxSize=2)
    assert fleet.described()["DesiredCapacity"] == 2
    fleet.asg.update_auto_scaling_group(AutoScalingGroupName="g", MaxSize=5, MinSize=3)
    assert fleet.described()["DesiredCapacity"] == 3
    aws.tick(2)
    assert list(fleet.states().values()) == ["InService"] * 3


def test_a_name_is_given_once(fleet: Any):
    fleet.group()
    template = {"LaunchTemplateName": "of-g"}
    assert fleet.refusal(fleet.group, LaunchTemplate=template)[0] == "AlreadyExists"


def test_settings_that_moto_drops_are_kept(fleet: Any):
    fleet.group(DefaultInstanceWarmup=77, CapacityRebalance=True, MaxInstanceLifetime=86400)
    found = fleet.described()
    assert (found["DefaultInstanceWarmup"], found["CapacityRebalance"], found["MaxInstanceLifetime"]) == (
        77,
        True,
        86400,
    )
    fleet.asg.update_auto_scaling_group(
        AutoScalingGroupName="g", CapacityRebalance=False, TerminationPolicies=["OldestInstance"], DefaultCooldown=60
    )
    found = fleet.described()
    assert (found["CapacityRebalance"], found["DefaultCooldown"]) == (False, 60)
    assert found["TerminationPolicies"] == ["OldestInstance"]


def test_instances_spread_over_the_zones_in_turn(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=4)
    aws.tick()
    zones = sorted(each["AvailabilityZone"] for each in fleet.described()["Instances"])
    assert zones == ["us-east-1a", "us-east-1a", "us-east-1b", "us-east-1c"]
    assert {each["SubnetId"] for each in fleet.instances()} == set(fleet.subnets)


def test_scale_in_takes_the_oldest_of_the_fullest_zone(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=4)
    aws.tick(2)
    before = fleet.described()["Instances"]
    fullest = [each["InstanceId"] for each in before if each["AvailabilityZone"] == "us-east-1a"]
    fleet.asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=3)
    aws.tick()
    assert set(fleet.states()) == {each["InstanceId"] for each in before} - {fullest[0]}
    assert len({each["AvailabilityZone"] for each in fleet.described()["Instances"]}) == 3


def test_protected_instances_survive_scale_in(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=2, NewInstancesProtectedFromScaleIn=True)
    aws.tick(2)
    kept = list(fleet.states())
    fleet.asg.set_instance_protection(AutoScalingGroupName="g", InstanceIds=kept[1:], ProtectedFromScaleIn=False)
    fleet.asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=0)
    aws.tick()
    assert list(fleet.states()) == kept[:1]


def test_tags_of_template_and_group_reach_the_instance(aws: LocalAws, fleet: Any):
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "from", "Value": "template"}]}]
    template = {"LaunchTemplateId": fleet.template(TagSpecifications=tags)}
    fleet.group(
        DesiredCapacity=1,
        LaunchTemplate=template,
        Tags=[
            {"Key": "team", "Value": "x", "PropagateAtLaunch": True},
            {"Key": "secret", "Value": "y", "PropagateAtLaunch": False},
        ],
    )
    aws.tick()
    found = {each["Key"]: each["Value"] for each in fleet.instances()[0]["Tags"]}
    assert {key: value for key, value in found.items() if not key.startswith("aws:ec2")} == {
        "from": "template",
        "team": "x",
        "aws:autoscaling:groupName": "g",
    }


def test_an_instance_terminated_from_outside_is_replaced(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=1)
    aws.tick(2)
    (gone,) = fleet.states()
    fleet.ec2.terminate_instances(InstanceIds=[gone])
    aws.tick(3)
    assert list(fleet.states().values()) == ["InService"]
    assert gone not in fleet.states()
    assert any("health check" in each["Cause"] for each in fleet.activities())


def test_an_instance_set_unhealthy_is_replaced(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=1)
    aws.tick(2)
    (gone,) = fleet.states()
    fleet.asg.set_instance_health(InstanceId=gone, HealthStatus="Unhealthy")
    aws.tick(3)
    assert gone not in fleet.states()
    assert len(fleet.states()) == 1


def test_terminating_in_the_group_replaces_or_shrinks(aws: LocalAws, fleet: Any):
    fleet.group(MinSize=1, DesiredCapacity=2)
    aws.tick(2)
    first, second = fleet.states()
    terminate = fleet.asg.terminate_instance_in_auto_scaling_group
    reply = terminate(InstanceId=first, ShouldDecrementDesiredCapacity=True)
    assert reply["Activity"]["AutoScalingGroupName"] == "g"
    assert (list(fleet.states()), fleet.described()["DesiredCapacity"]) == ([second], 1)
    code, text = fleet.refusal(terminate, InstanceId=second, ShouldDecrementDesiredCapacity=True)
    assert (code, "desiredSize equals minSize (1)" in text) == ("ValidationError", True)
    terminate(InstanceId=second, ShouldDecrementDesiredCapacity=False)
    aws.tick(2)
    assert len(fleet.states()) == 1
    assert second not in fleet.states()
    assert fleet.refusal(terminate, InstanceId="i-1", ShouldDecrementDesiredCapacity=False)[0] == "ValidationError"


def test_a_group_with_instances_is_deleted_with_force_only(aws: LocalAws, fleet: Any):
    hook = {"LifecycleHookName": "drain", "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING"}
    fleet.group(DesiredCapacity=1, LifecycleHookSpecificationList=[hook])
    aws.tick(2)
    (instance_id,) = fleet.states()
    assert fleet.refusal(fleet.asg.delete_auto_scaling_group, AutoScalingGroupName="g")[0] == "ResourceInUse"
    fleet.asg.delete_auto_scaling_group(AutoScalingGroupName="g", ForceDelete=True)
    assert fleet.asg.describe_auto_scaling_groups()["AutoScalingGroups"] == []
    assert fleet.instance(instance_id)["State"]["Name"] == "terminated"
    assert fleet.refusal(fleet.asg.delete_auto_scaling_group, AutoScalingGroupName="g")[0] == "ValidationError"


def test_a_deleted_groups_instances_are_no_targets_any_more(aws: LocalAws, fleet: Any):
    targets = fleet.elb.create_target_group(Name="t", Protocol="HTTP", Port=80, VpcId=fleet.vpc)["TargetGroups"][0]
    arn = targets["TargetGroupArn"]
    fleet.group(DesiredCapacity=1, TargetGroupARNs=[arn])
    aws.tick(2)
    fleet.asg.delete_auto_scaling_group(AutoScalingGroupName="g", ForceDelete=True)
    assert fleet.elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"] == []


def test_what_instances_used_can_be_deleted_after_them(aws: LocalAws, fleet: Any):
    security = fleet.ec2.create_security_group(GroupName="node", Description="d", VpcId=fleet.vpc)["GroupId"]
    template = fleet.template(SecurityGroupIds=[security])
    fleet.group(DesiredCapacity=1, LaunchTemplate={"LaunchTemplateId": template})
    aws.tick(2)
    fleet.asg.delete_auto_scaling_group(AutoScalingGroupName="g", ForceDelete=True)
    assert fleet.ec2.describe_network_interfaces()["NetworkInterfaces"] == []
    fleet.ec2.delete_security_group(GroupId=security)
    for subnet in fleet.subnets:
        fleet.ec2.delete_subnet(SubnetId=subnet)
    fleet.ec2.delete_vpc(VpcId=fleet.vpc)


def test_suspended_processes_are_respected(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=1)
    fleet.asg.suspend_processes(AutoScalingGroupName="g", ScalingProcesses=["Launch"])
    aws.tick(2)
    assert fleet.states() == {}
    fleet.asg.resume_processes(AutoScalingGroupName="g", ScalingProcesses=["Launch"])
    fleet.asg.suspend_processes(AutoScalingGroupName="g", ScalingProcesses=["Terminate"])
    aws.tick(2)
    fleet.asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=0)
    aws.tick(2)
    assert list(fleet.states().values()) == ["InService"]
    assert [each["ProcessName"] for each in fleet.described()["SuspendedProcesses"]] == ["Terminate"]


def test_scaling_policies_answer_with_their_arn(fleet: Any):
    fleet.group()
    reply = fleet.asg.put_scaling_policy(
        AutoScalingGroupName="g", PolicyName="p", AdjustmentType="ChangeInCapacity", ScalingAdjustment=1
    )
    assert reply["PolicyARN"].endswith("policyName/p")
