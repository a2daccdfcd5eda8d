"""Mixed instances policies and launch template versions.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-mixed-instances-groups.html
"""

import base64
from collections import Counter
from typing import Any

import pytest

from localcloud.aws.autoscaling.capacity import on_demand_wanted
from localcloud.aws.in_process import LocalAws


def policy(template: str, base: int, percentage: int, types: tuple[str, ...] = ("g5.xlarge", "g6.xlarge")) -> Any:
    return {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "$Latest"},
            "Overrides": [{"InstanceType": each} for each in types],
        },
        "InstancesDistribution": {
            "OnDemandBaseCapacity": base,
            "OnDemandPercentageAboveBaseCapacity": percentage,
            "SpotAllocationStrategy": "price-capacity-optimized",
        },
    }


@pytest.mark.parametrize(
    ("base", "percentage", "target", "on_demand"),
    [(0, 0, 3, 0), (1, 0, 3, 1), (0, 100, 3, 3), (2, 0, 1, 1), (1, 50, 5, 3), (0, 25, 3, 1)],
)
def test_the_on_demand_share_is_base_plus_percentage_rounded_up(
    base: int, percentage: int, target: int, on_demand: int
):
    assert on_demand_wanted(policy("lt", base, percentage), target) == on_demand


def test_without_a_distribution_all_is_on_demand():
    assert on_demand_wanted({"LaunchTemplate": {}}, 3) == 3
    assert on_demand_wanted(None, 3) == 3


def test_markets_and_types_follow_the_policy(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=4, MixedInstancesPolicy=policy(fleet.template(), 1, 0))
    aws.tick(2)
    found = fleet.instances()
    assert Counter(each.get("InstanceLifecycle", "on-demand") for each in found) == {"spot": 3, "on-demand": 1}
    assert {each["InstanceType"] for each in found} == {"g5.xlarge"}


def test_a_type_that_cannot_be_launched_leads_to_the_next_override(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=1, MixedInstancesPolicy=policy(fleet.template(), 0, 0, ("g9.none", "g6.xlarge")))
    aws.tick(2)
    assert [each["InstanceType"] for each in fleet.instances()] == ["g6.xlarge"]


def test_the_policy_survives_an_update_that_does_not_repeat_it(aws: LocalAws, fleet: Any):
    fleet.group(MixedInstancesPolicy=policy(fleet.template(), 0, 0))
    before = fleet.described()["MixedInstancesPolicy"]
    fleet.asg.update_auto_scaling_group(AutoScalingGroupName="g", MinSize=1)
    assert fleet.described()["MixedInstancesPolicy"] == before
    assert "LaunchTemplate" not in fleet.described()
    aws.tick(2)
    assert [each["InstanceLifecycle"] for each in fleet.instances()] == ["spot"]


def test_the_policy_shows_awss_defaults(fleet: Any):
    given = policy(fleet.template(), 0, 0)
    given["InstancesDistribution"] = {"SpotAllocationStrategy": "price-capacity-optimized"}
    fleet.group(MixedInstancesPolicy=given)
    assert fleet.described()["MixedInstancesPolicy"]["InstancesDistribution"] == {
        "OnDemandAllocationStrategy": "prioritized",
        "OnDemandBaseCapacity": 0,
        "OnDemandPercentageAboveBaseCapacity": 100,
        "SpotAllocationStrategy": "price-capacity-optimized",
    }


def test_scale_in_keeps_the_on_demand_share(aws: LocalAws, fleet: Any):
    fleet.group(DesiredCapacity=4, MixedInstancesPolicy=policy(fleet.template(), 1, 0))
    aws.tick(2)
    fleet.asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=1)
    aws.tick()
    assert ["InstanceLifecycle" in each for each in fleet.instances()] == [False]


@pytest.mark.parametrize(("version", "launched"), [("1", "1"), ("$Latest", "3"), ("$Default", "2"), (None, "2")])
def test_the_launch_templates_version_is_honoured(aws: LocalAws, fleet: Any, version: str | None, launched: str):
    def data(number: int) -> dict[str, Any]:
        text = fleet.encoded(f"of version {number}")
        options = {"HttpPutResponseHopLimit": number}
        return {"ImageId": f"ami-{number}", "InstanceType": "t3.small", "UserData": text, "MetadataOptions": options}

    template = fleet.template(**data(1))
    for number in (2, 3):
        fleet.ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData=data(number))
    fleet.ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="2")
    given = {"LaunchTemplateId": template} | ({"Version": version} if version else {})
    fleet.group(DesiredCapacity=1, LaunchTemplate=given)
    aws.tick(2)
    (member,) = fleet.described()["Instances"]
    assert member["LaunchTemplate"]["Version"] == launched
    (instance,) = fleet.instances()
    assert instance["ImageId"] == f"ami-{launched}"
    assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == int(launched)
    text = fleet.ec2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="userData")
    assert base64.b64decode(text["UserData"]["Value"]).decode() == f"of version {launched}"
    assert fleet.call("instances")[1][0]["user_data"] == f"of version {launched}"


def test_profile_groups_and_metadata_options_of_the_template_reach_the_instance(aws: LocalAws, fleet: Any):
    iam = aws.client("iam")
    iam.create_instance_profile(InstanceProfileName="node")
    group = fleet.ec2.create_security_group(GroupName="node", Description="d", VpcId=fleet.vpc)["GroupId"]
    options = {"HttpTokens": "required", "InstanceMetadataTags": "enabled", "HttpPutResponseHopLimit": 2}
    template = fleet.template(IamInstanceProfile={"Name": "node"}, SecurityGroupIds=[group], MetadataOptions=options)
    fleet.group(DesiredCapacity=1, LaunchTemplate={"LaunchTemplateId": template})
    aws.tick(2)
    (found,) = fleet.instances()
    assert found["IamInstanceProfile"]["Arn"].endswith("instance-profile/node")
    assert [each["GroupId"] for each in found["SecurityGroups"]] == [group]
    assert {key: found["MetadataOptions"][key] for key in options} == options
