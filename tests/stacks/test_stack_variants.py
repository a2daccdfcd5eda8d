"""Stacks that differ from the local one, each built in a local AWS of its own."""

import json
import shutil
from pathlib import Path
from typing import Any

import pulumi
import pytest

from inference_service import contract
from infra.components.existing_network import NetworkError
from infra.components.planner import PACKAGE
from infra.components.service_bundle import BundleMissingError
from infra.planner.fleet import from_variable
from infra.policies.resource import Resource, plain
from infra.policies.rule import findings
from infra.policies.rules import every_rule
from infra.ways_out import SERVICES
from localcloud.aws.images import DEEP_LEARNING, UBUNTU
from localcloud.aws.in_process import LocalAws
from tests.stacks.program import ROOT, run, stack_settings
from tests.stacks.reading import allowed, template_data, variables

LOCAL = ROOT / "Pulumi.local.yaml"
TWO = [
    {"name": "small", "engine": "llama.cpp", "instance_types": ["c7i.xlarge"]},
    {
        "name": "large",
        "engine": "vllm",
        "instance_types": ["g6e.12xlarge"],
        "gpu_memory_gib": 100,
        "most_on_demand_nodes": 0,
        "vllm": {"tensor_parallel_size": 4, "extra_arguments": ["--enable-prefix-caching"]},
    },
]


def test_each_model_has_a_fleet_an_image_and_permissions_of_its_own(aws: LocalAws, bundle: Path) -> None:
    built = run(aws, stack_settings(LOCAL, models=json.dumps(TWO)), bundle)
    assert set(built.outputs[contract.OUTPUT_FLEETS]) == {"small", "large"}
    assert template_data(built, "small-template")["ImageId"] == UBUNTU.image_id
    assert template_data(built, "large-template")["ImageId"] == DEEP_LEARNING.image_id
    options = json.loads(variables(built, "large-template")[contract.VAR_VLLM])
    assert options == {"tensor_parallel_size": 4, "extra_arguments": ["--enable-prefix-caching"]}
    assert variables(built, "gateway-template")[contract.VAR_MODELS] == "small,large"
    assert not any("large" in resource for each in allowed(built, "small-node").values() for resource in each)
    assert built.groups()["large-on-demand"]["MaxSize"] == 0


@pytest.mark.parametrize("path", sorted(ROOT.glob("Pulumi.*.yaml")), ids=lambda path: str(path.name))
def test_every_committed_stack_file_builds(aws: LocalAws, bundle: Path, path: Path) -> None:
    given = stack_settings(path)
    built = run(aws, given, bundle)
    assert set(built.outputs[contract.OUTPUT_FLEETS]) == {model.name for model in given.models}
    assert len(built.groups()) == 2 * len(given.models) + 1
    declared = [Resource(each.token, each.name, plain(each.inputs), each.refers_to) for each in built.declared]
    assert findings(every_rule(), declared) == []  # neither refused nor advised against


def test_a_bucket_with_models_is_kept_unless_the_stack_says_otherwise(aws: LocalAws, bundle: Path) -> None:
    given = stack_settings(LOCAL, deletion_protection="true")
    assert run(aws, given, bundle).of("Bucket")["models"].inputs["forceDestroy"] is False


def test_a_service_bundle_that_is_not_built_is_one_sentence_with_the_remedy(aws: LocalAws, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(BundleMissingError, match=r"has no bundle.tar.gz; run `warmfleet service build`") as caught:
        run(aws, stack_settings(LOCAL), tmp_path)
    assert isinstance(caught.value, pulumi.RunError)
    assert aws.client("s3").list_buckets()["Buckets"] == []  # said before anything was made


def existing(aws: LocalAws, zones: str = "ab") -> tuple[str, list[str]]:
    """A VPC that somebody else made, with a subnet in each of the zones."""
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    return vpc, [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate(zones)
    ]


def test_an_existing_vpc_is_lived_in_and_not_changed(aws: LocalAws, bundle: Path) -> None:
    vpc, subnets = existing(aws)
    built = run(aws, stack_settings(LOCAL, vpc_id=vpc, subnet_ids=json.dumps(subnets)), bundle)
    for group in built.groups().values():
        assert group["VPCZoneIdentifier"].split(",") == subnets
    made = {"Vpc", "Subnet", "RouteTable", "VpcEndpoint", "InternetGateway", "NatGateway", "FlowLog"}
    assert not made & {each.kind for each in built.declared}
    (balancer,) = aws.client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert balancer["VpcId"] == vpc


@pytest.mark.parametrize(
    ("vpc_id", "zones", "said"),
    [
        ("vpc-0123456789abcdef0", "ab", "vpc_id is vpc-0123456789abcdef0, which cannot be read here: "),
        ("", "aa", " are both in us-east-1a; name private subnets of vpc-"),
    ],
)
def test_an_existing_vpc_that_does_not_fit_is_one_sentence(
    aws: LocalAws, bundle: Path, vpc_id: str, zones: str, said: str
) -> None:
    vpc, subnets = existing(aws, zones)
    given = stack_settings(LOCAL, vpc_id=vpc_id or vpc, subnet_ids=json.dumps(subnets))
    with pytest.raises(NetworkError) as caught:
        run(aws, given, bundle)
    (line,) = str(caught.value).splitlines()
    assert said in line
    assert "Pulumi.local.yaml" in line
    assert aws.client("s3").list_buckets()["Buckets"] == []  # said before anything was made


def test_more_zones_than_a_region_has_are_refused_with_both_numbers(aws: LocalAws, bundle: Path) -> None:
    given = stack_settings(LOCAL).model_copy(update={"zones": 7})  # past the setting's own limit
    with pytest.raises(NetworkError, match=r"zones is 7, but us-east-1 has 6: us-east-1a, .*; lower it in Pulumi"):
        run(aws, given, bundle)


def test_interface_endpoints_leave_no_way_to_the_internet(aws: LocalAws, bundle: Path) -> None:
    run(aws, stack_settings(LOCAL, egress="interface_endpoints"), bundle)
    ec2 = aws.client("ec2")
    endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    assert {each["ServiceName"].removeprefix("com.amazonaws.us-east-1.") for each in endpoints} == {"s3", *SERVICES}
    assert all(each["PrivateDnsEnabled"] for each in endpoints if each["VpcEndpointType"] == "Interface")
    assert ec2.describe_nat_gateways()["NatGateways"] == []
    assert ec2.describe_internet_gateways()["InternetGateways"] == []


def test_a_warm_pool_keeps_stopped_nodes_beside_the_on_demand_group_alone(aws: LocalAws, bundle: Path) -> None:
    model = {"name": "chat", "engine": "llama.cpp", "instance_types": ["c7i.xlarge"], "most_on_demand_nodes": 2}
    built = run(aws, stack_settings(LOCAL, models=json.dumps([model | {"warm_pool_nodes": 2}])), bundle)
    pools = {name: each.get("WarmPoolConfiguration") for name, each in built.groups().items()}
    assert (pools["chat-on-demand"]["PoolState"], pools["chat-on-demand"]["MinSize"]) == ("Stopped", 2)
    assert pools["chat-spot"] is None


@pytest.mark.parametrize("named", [False, True])
def test_ssh_is_open_to_the_named_group_alone_and_to_its_key(aws: LocalAws, bundle: Path, named: bool) -> None:
    group = aws.client("ec2").create_security_group(GroupName="operators", Description="x")["GroupId"] if named else ""
    given = {"connection": "ssh", "ssh_key_name": "mine", "ssh_security_group_id": group}
    built = run(aws, stack_settings(LOCAL, **given), bundle)
    rules = aws.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    open_to = [each["ReferencedGroupInfo"]["GroupId"] for each in rules if each["FromPort"] == 22]
    assert open_to == ([group, group] if group else [])  # gateways and nodes
    for template in ("gateway-template", "smollm2-135m-instruct-template"):
        assert template_data(built, template)["KeyName"] == "mine"
    for made in built.groups().values():
        assert {"warmfleet:connection": "ssh"}.items() <= {each["Key"]: each["Value"] for each in made["Tags"]}.items()


def test_without_ssh_no_key_opens_an_instance(aws: LocalAws, bundle: Path) -> None:
    built = run(aws, stack_settings(LOCAL, connection="ssm", ssh_key_name=""), bundle)
    assert "KeyName" not in template_data(built, "gateway-template")
    assert 22 not in {
        each["FromPort"] for each in aws.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    }


def test_the_planner_is_told_of_every_fleet_and_may_size_their_groups_alone(aws: LocalAws, bundle: Path) -> None:
    built = run(aws, stack_settings(LOCAL, models=json.dumps(TWO)), bundle)
    (function,) = aws.client("lambda").list_functions()["Functions"]
    told = from_variable(function["Environment"]["Variables"][contract.VAR_FLEETS])
    groups = {each["AutoScalingGroupName"]: each for each in built.groups().values()}
    assert [fleet.model for fleet in told] == ["small", "large"]
    assert {group.name: group.most for fleet in told for group in fleet.groups} == {
        name: each["MaxSize"] for name, each in groups.items() if "gateway" not in name
    }
    sized = allowed(built, "planner")["autoscaling:SetDesiredCapacity"]
    assert sorted(sized) == sorted(
        each["AutoScalingGroupARN"] for name, each in groups.items() if "gateway" not in name
    )
    (rule,) = [each for each in aws.client("events").list_rules()["Rules"] if each.get("ScheduleExpression")]
    targets = aws.client("events").list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert (rule["ScheduleExpression"], targets[0]["Arn"]) == ("rate(1 minute)", function["FunctionArn"])
    assert_nobody_repeats_a_minute(aws, function["FunctionName"], targets[0])
    declared = [Resource(each.token, each.name, plain(each.inputs), each.refers_to) for each in built.declared]
    assert findings(every_rule(), declared) == []


def assert_nobody_repeats_a_minute(aws: LocalAws, function: str, target: Any) -> None:
    """Neither EventBridge, which delivers, nor Lambda, which keeps what was delivered and by itself tries it thrice."""
    kept = aws.client("lambda").get_function_event_invoke_config(FunctionName=function)
    for each in (target["RetryPolicy"], kept):
        assert (each["MaximumRetryAttempts"], each["MaximumEventAgeInSeconds"]) == (0, 60)


def test_a_planner_that_dies_leaves_a_net_that_scales_out(aws: LocalAws, bundle: Path) -> None:
    built = run(aws, stack_settings(LOCAL, models=json.dumps(TWO)), bundle)
    groups = {each["AutoScalingGroupName"]: name for name, each in built.groups().items()}
    policies = aws.client("autoscaling").describe_policies()["ScalingPolicies"]
    found = {each["PolicyARN"]: groups[each["AutoScalingGroupName"]] for each in policies}
    assert sorted(found.values()) == ["large-on-demand", "large-spot", "small-on-demand", "small-spot"]
    for each in policies:
        assert (each["PolicyType"], each["AdjustmentType"]) == ("StepScaling", "ChangeInCapacity")
        assert min(step["ScalingAdjustment"] for step in each["StepAdjustments"]) > 0
    called: dict[str, list[str]] = {}
    for alarm in aws.client("cloudwatch").describe_alarms()["MetricAlarms"]:
        calls = [found[action] for action in alarm["AlarmActions"] if action in found]
        called |= {alarm["AlarmName"].rpartition("-")[0]: calls} if calls else {}
    assert called == {
        f"{model}-net-{what}": [f"{model}-{market}"]
        for model in ("small", "large")
        for what, market in (("waiting-work", "spot"), ("missing-spot", "on-demand"))
    }


def test_without_its_package_a_stack_with_a_planner_is_not_begun(aws: LocalAws, bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundle, tmp_path / "service"))
    (folder / PACKAGE).unlink()
    with pytest.raises(BundleMissingError, match="planner's package is not built"):
        run(aws, stack_settings(LOCAL), folder)
    assert aws.client("s3").list_buckets()["Buckets"] == []
