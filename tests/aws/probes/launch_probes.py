"""What launches do on AWS: zone, market, type, template version. Each probe fails where moto does not do it."""

from group_setup import GROUP, TYPE, encoded, make_group
from world import world

ONE_ON_DEMAND = {
    "Overrides": [{"InstanceType": "p5.48xlarge"}],
    "InstancesDistribution": {"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 0},
}
QUARTER_ON_DEMAND = {
    "Overrides": [{"InstanceType": TYPE}],
    "InstancesDistribution": {"OnDemandBaseCapacity": 0, "OnDemandPercentageAboveBaseCapacity": 25},
}


def a_group_uses_all_its_zones() -> None:
    assert len({each["AvailabilityZone"] for each in make_group().members()}) == 3


def instances_of_a_group_are_pending_first() -> None:
    (group,) = make_group().autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
    assert {each["LifecycleState"] for each in group["Instances"]} <= {"Pending"}


def a_mixed_group_buys_spot() -> None:
    found = [each.get("InstanceLifecycle") for each in make_group(mixed=ONE_ON_DEMAND).instances()]
    assert sorted(map(str, found)) == ["None", "spot", "spot"]


def a_mixed_group_launches_all_of_its_capacity() -> None:
    assert len(make_group(mixed=QUARTER_ON_DEMAND).members()) == 3


def a_mixed_group_launches_the_types_of_its_policy() -> None:
    assert {each["InstanceType"] for each in make_group(mixed=ONE_ON_DEMAND).members()} == {"p5.48xlarge"}


def a_type_that_does_not_exist_is_not_launched() -> None:
    assert make_group(template={"InstanceType": "g9.nothing"}).members() == []


def instances_tell_the_version_they_came_from() -> None:
    group = make_group()
    assert len(group.members()) == 3
    group.new_version()
    group.set_capacity(4)
    assert {each["LaunchTemplate"]["Version"] for each in group.members()} == {"1", "2"}


def later_versions_of_a_template_have_user_data() -> None:
    group = make_group(template={"UserData": encoded("one")})
    group.new_version(UserData=encoded("two"))
    group.set_capacity(4)
    assert len(group.members()) == 4


def a_template_gives_its_instances_a_profile() -> None:
    iam = world.client("iam")
    iam.create_instance_profile(InstanceProfileName="node")
    group = make_group(template={"IamInstanceProfile": {"Name": "node"}})
    assert [bool(each.get("IamInstanceProfile")) for each in group.instances()] == [True] * 3


def a_template_gives_its_instances_metadata_options() -> None:
    group = make_group(template={"MetadataOptions": {"HttpTokens": "required", "InstanceMetadataTags": "enabled"}})
    assert {each["MetadataOptions"]["HttpTokens"] for each in group.instances()} == {"required"}


def a_template_gives_its_instances_security_groups() -> None:
    vpc = world.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    made = world.client("ec2").create_security_group(GroupName="s", Description="s", VpcId=vpc)["GroupId"]
    group = make_group(template={"NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [made]}]})
    assert {each["GroupId"] for instance in group.instances() for each in instance["SecurityGroups"]} == {made}


PROBES = [
    a_group_uses_all_its_zones,
    instances_of_a_group_are_pending_first,
    a_mixed_group_buys_spot,
    a_mixed_group_launches_all_of_its_capacity,
    a_mixed_group_launches_the_types_of_its_policy,
    a_type_that_does_not_exist_is_not_launched,
    instances_tell_the_version_they_came_from,
    later_versions_of_a_template_have_user_data,
    a_template_gives_its_instances_a_profile,
    a_template_gives_its_instances_metadata_options,
    a_template_gives_its_instances_security_groups,
]
