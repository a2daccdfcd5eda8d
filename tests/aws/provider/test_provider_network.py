"""What single network resources promise beyond the life that every type has."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.provider import operations
from localcloud.provider.errors import ProviderError
from localcloud.provider.invokes import invoke
from localcloud.provider.registry import handler_for
from localcloud.provider.resource import Aws
from tests.aws.provider import cases_network
from tests.aws.provider.case import GONE
from tests.aws.provider.world import World

ENDPOINT, BALANCER = "aws:ec2/vpcEndpoint:VpcEndpoint", "aws:lb/loadBalancer:LoadBalancer"
DEFAULT_GROUP, LOGGING = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "aws:s3/bucketLogging:BucketLogging"


def test_an_interface_endpoint_changes_its_subnets_groups_and_names_in_place(aws: Aws, world: World) -> None:
    handler, inputs = handler_for(ENDPOINT), cases_network.interface_endpoint(world)
    made = operations.create(handler, aws, inputs)
    assert (made.failure, made.state["privateDnsEnabled"], made.state["subnetIds"]) == ("", True, inputs["subnetIds"])
    assert len(made.state["networkInterfaceIds"]) == 2
    assert made.state["dnsEntries"]
    changes = cases_network.other_interfaces(world, inputs)
    changed = {key: value for key, value in {**inputs, **changes}.items() if value is not GONE}
    assert not operations.difference(handler, inputs, changed, ()).replacing
    second = operations.update(handler, aws, made.id, changed, made.state)
    assert (second.failure, second.state["privateDnsEnabled"]) == ("", False)
    assert second.state["securityGroupIds"] == changed["securityGroupIds"]
    assert len(second.state["networkInterfaceIds"]) == 1
    third = operations.update(handler, aws, made.id, inputs, second.state)
    assert (third.state["subnetIds"], third.state["privateDnsEnabled"]) == (inputs["subnetIds"], True)
    operations.delete(handler, aws, made.id, third.state)
    for subnet in inputs["subnetIds"]:
        world.client("ec2").delete_subnet(SubnetId=subnet)


def test_private_names_of_an_endpoint_are_off_unless_asked_for(aws: Aws, world: World) -> None:
    inputs = cases_network.interface_endpoint(world)
    del inputs["privateDnsEnabled"]
    assert operations.create(handler_for(ENDPOINT), aws, inputs).state["privateDnsEnabled"] is False


def test_the_default_group_loses_its_rules_and_outlives_the_resource(aws: Aws, world: World) -> None:
    handler, vpc, ec2 = handler_for(DEFAULT_GROUP), world.vpc(), world.client("ec2")
    made = operations.create(handler, aws, {"vpcId": vpc, "ingress": [], "egress": []})
    filters = [{"Name": "group-id", "Values": [made.id]}]
    assert ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"] == []
    operations.delete(handler, aws, made.id, made.state)
    assert ec2.describe_security_groups(GroupIds=[made.id])["SecurityGroups"][0]["GroupName"] == "default"
    ec2.delete_vpc(VpcId=vpc)
    assert operations.read(handler, aws, made.id, {}, made.state) is None


def test_a_rule_that_somebody_adds_to_the_default_group_is_taken_away_again(aws: Aws, world: World) -> None:
    handler, inputs = handler_for(DEFAULT_GROUP), {"vpcId": world.vpc(), "ingress": [], "egress": []}
    made = operations.create(handler, aws, inputs)
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    world.client("ec2").authorize_security_group_ingress(GroupId=made.id, IpPermissions=[rule])
    found = operations.read(handler, aws, made.id, inputs, made.state)
    assert found is not None
    assert operations.difference(handler, found.inputs, inputs, ()).changed == ("ingress",)
    assert operations.update(handler, aws, made.id, inputs, found.state).state["ingress"] == []


def test_rules_inside_the_default_group_are_refused(aws: Aws, world: World) -> None:
    rule = {"protocol": "tcp", "fromPort": 1, "toPort": 2}
    made = operations.create(handler_for(DEFAULT_GROUP), aws, {"vpcId": world.vpc(), "ingress": [rule]})
    assert "leave them empty" in made.failure


def test_a_flow_log_without_a_vpc_is_refused(aws: Aws) -> None:
    with pytest.raises(ProviderError, match="give vpcId"):
        handler_for("aws:ec2/flowLog:FlowLog").create(aws, {"trafficType": "ALL"})


def test_a_protected_load_balancer_is_deleted_only_when_its_protection_is_off(aws: Aws, world: World) -> None:
    handler, inputs = handler_for(BALANCER), cases_network.balancer(world) | {"name": "protected"}
    made = operations.create(handler, aws, {**inputs, "enableDeletionProtection": True})
    with pytest.raises(ClientError, match="OperationNotPermitted"):
        operations.delete(handler, aws, made.id, made.state)
    open_ = operations.update(handler, aws, made.id, {**inputs, "enableDeletionProtection": False}, made.state)
    operations.delete(handler, aws, made.id, open_.state)
    assert operations.read(handler, aws, made.id, inputs, made.state) is None


@pytest.mark.parametrize("prefix", ["elsewhere", "lb/"])
def test_a_load_balancer_does_not_take_a_bucket_that_it_may_not_write_to(aws: Aws, world: World, prefix: str) -> None:
    bucket = cases_network.log_bucket(world, "lb/AWSLogs/", cases_network.BALANCER_LOGS)
    inputs = cases_network.balancer(world) | {"name": world.name("balancer")}
    inputs["accessLogs"] = {"enabled": True, "bucket": bucket, "prefix": prefix}
    made = operations.create(handler_for(BALANCER), aws, inputs)
    assert "InvalidConfigurationRequest" in made.failure


def test_access_logs_are_turned_off_again(aws: Aws, world: World) -> None:
    handler, inputs = handler_for(BALANCER), cases_network.balancer(world) | {"name": world.name("balancer")}
    bucket = cases_network.log_bucket(world, "AWSLogs/", cases_network.BALANCER_LOGS)
    logs = {"enabled": True, "bucket": bucket}
    made = operations.create(handler, aws, {**inputs, "accessLogs": logs})
    assert (made.failure, made.state["accessLogs"]) == ("", logs)
    off = operations.update(handler, aws, made.id, inputs, made.state)
    assert (off.failure, "accessLogs" in off.state) == ("", False)


def test_s3_does_not_log_into_a_bucket_that_it_may_not_write_to(aws: Aws, world: World) -> None:
    bucket = cases_network.log_bucket(world, "s3/", cases_network.BALANCER_LOGS)
    with pytest.raises(ClientError, match="InvalidTargetBucketForLogging"):
        handler_for(LOGGING).create(aws, {"bucket": world.bucket(), "targetBucket": bucket, "targetPrefix": "s3/"})


def lookup(aws: Aws, kind: str, id_: str) -> Any:
    return invoke(aws, f"aws:ec2/get{kind}:get{kind}", {"id": id_})


def test_a_network_that_exists_is_looked_up_by_id(aws: Aws, world: World) -> None:
    subnet = world.subnet()
    vpc = world.vpc_of(subnet)
    found = lookup(aws, "Vpc", vpc)
    assert (found["id"], found["cidrBlock"], found["default"]) == (vpc, "10.0.0.0/16", False)
    found = lookup(aws, "Subnet", subnet)
    assert (found["id"], found["vpcId"], found["availabilityZone"]) == (subnet, vpc, "us-east-1a")


@pytest.mark.parametrize(
    ("kind", "id_", "code"),
    [
        ("Vpc", "vpc-0123456789abcdef0", "InvalidVpcID.NotFound"),
        ("Subnet", "subnet-0123456789abcdef0", "InvalidSubnetID.NotFound"),
    ],
)
def test_a_network_that_does_not_exist_is_said_in_the_words_of_aws(aws: Aws, kind: str, id_: str, code: str) -> None:
    with pytest.raises(ClientError, match=rf"{code}.*{id_}"):
        lookup(aws, kind, id_)
