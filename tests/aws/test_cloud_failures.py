"""What groups refuse, and what they say and do when a launch or a part of this cloud fails."""

from typing import Any

import pytest

from localcloud.aws.in_process import LocalAws


@pytest.mark.parametrize("missing", ["ImageId", "InstanceType"])
def test_a_template_without_image_or_type_makes_no_group(fleet: Any, missing: str):
    template = fleet.template(**{missing: ""})
    code, text = fleet.refusal(fleet.group, LaunchTemplate={"LaunchTemplateId": template})
    assert (code, text.endswith(f"the parameter {missing}")) == ("ValidationError", True)
    assert fleet.asg.describe_auto_scaling_groups()["AutoScalingGroups"] == []


def test_actions_on_an_unknown_group_are_refused(fleet: Any):
    unknown = {"AutoScalingGroupName": "nobody"}
    tag = {"ResourceId": "nobody", "ResourceType": "auto-scaling-group", "Key": "k", "Value": "v"}
    calls = [
        (fleet.asg.set_desired_capacity, {**unknown, "DesiredCapacity": 1}),
        (fleet.asg.suspend_processes, {**unknown, "ScalingProcesses": ["Launch"]}),
        (fleet.asg.attach_load_balancer_target_groups, {**unknown, "TargetGroupARNs": ["arn"]}),
        (fleet.asg.describe_lifecycle_hooks, unknown),
        (fleet.asg.describe_scaling_activities, unknown),
        (fleet.asg.create_or_update_tags, {"Tags": [{**tag, "PropagateAtLaunch": True}]}),
    ]
    for call, arguments in calls:
        assert fleet.refusal(call, **arguments)[0] == "ValidationError"


def test_a_launch_in_vain_is_told_and_tried_again_after_a_pause(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=1, LaunchTemplate={"LaunchTemplateId": fleet.template(InstanceType="t9.huge")})
    aws.tick(5)
    failed = fleet.activities()
    assert len(failed) == 3  # one for each zone
    assert failed[0]["StatusCode"] == "Failed"
    assert "t9.huge" in failed[0]["StatusMessage"]
    aws.pass_seconds(30)
    assert len(fleet.activities()) == 6


def test_an_unknown_instance_profile_fails_the_launch_and_leaves_no_instance(aws: LocalAws, fleet: Any):
    template = fleet.template(IamInstanceProfile={"Name": "nobody"})
    fleet.group(DesiredCapacity=1, LaunchTemplate={"LaunchTemplateId": template})
    aws.tick(2)
    assert "nobody" in fleet.activities()[0]["StatusMessage"]
    assert fleet.ec2.describe_instances()["Reservations"] == []


def test_a_defect_in_one_group_is_shown_and_spares_the_others(aws: LocalAws, fleet: Any, monkeypatch: Any):
    fleet.group("bad", DesiredCapacity=1)
    fleet.group("good", DesiredCapacity=1)
    from localcloud.aws.autoscaling.group import LocalGroup

    real = LocalGroup.tick
    broken = lambda group: 1 / 0 if group.name == "bad" else real(group)  # noqa: E731
    monkeypatch.setattr(LocalGroup, "tick", broken)
    aws.tick(2)
    assert list(fleet.states("good").values()) == ["InService"]
    assert list(fleet.call("health")[1]["failures"]) == ["bad"]
    monkeypatch.setattr(LocalGroup, "tick", real)
    aws.tick(2)
    assert list(fleet.states("bad").values()) == ["InService"]
    assert fleet.call("health")[1]["failures"] == {}


def test_a_defect_in_ec2_does_not_stop_time_for_groups(aws: LocalAws, fleet: Any, monkeypatch: Any):
    fleet.group(DesiredCapacity=1)
    from localcloud.aws.ec2.models import LocalEC2Backend

    monkeypatch.setattr(LocalEC2Backend, "tick", lambda backend: {}["a defect"])
    aws.tick()
    assert list(fleet.states().values()) == ["Pending"]
    assert "a defect" in fleet.call("health")[1]["failures"]["EC2"]


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("attach_instances", {"InstanceIds": []}),
        ("enter_standby", {"ShouldDecrementDesiredCapacity": True}),
    ],
)
def test_what_is_not_simulated_is_refused(fleet: Any, action: str, arguments: dict[str, Any]):
    fleet.group()
    code, text = fleet.refusal(getattr(fleet.asg, action), AutoScalingGroupName="g", **arguments)
    assert (code, "not simulated" in text) == ("ValidationError", True)
