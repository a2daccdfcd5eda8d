"""The groups, their hooks and their launch templates, as AWS has them after the program ran."""

import base64
import json

import pytest

from inference_service import contract
from tests.stacks.program import Built
from tests.stacks.reading import template_data, variables

MODEL = "smollm2-135m-instruct"
FLEET = (f"{MODEL}-spot", f"{MODEL}-on-demand")
GROUPS = (*FLEET, "gateway")
TEMPLATES = (f"{MODEL}-template", "gateway-template")


def test_a_fleet_begins_with_no_node_and_pulumi_leaves_its_size_alone(local: Built) -> None:
    for name in FLEET:
        group, declared = local.groups()[name], local.of("Group")[name]
        assert (group["MinSize"], group["DesiredCapacity"]) == (0, 0)
        assert declared.ignored_changes == ("desiredCapacity",)
    assert local.aws.client("ec2").describe_instances()["Reservations"] == []


def test_gateways_always_run_and_are_replaced_when_unhealthy(local: Built) -> None:
    group = local.groups()["gateway"]
    assert (group["MinSize"], group["DesiredCapacity"], group["HealthCheckType"]) == (1, 1, "ELB")
    assert local.of("Group")["gateway"].ignored_changes == ()


def test_pulumi_waits_for_no_instance(local: Built) -> None:
    assert {each.inputs["waitForCapacityTimeout"] for each in local.of("Group").values()} == {"0"}


def test_spot_is_bought_where_it_lasts_and_at_any_price_and_on_demand_is_only_on_demand(local: Built) -> None:
    spot, on_demand = (local.groups()[name]["MixedInstancesPolicy"]["InstancesDistribution"] for name in FLEET)
    assert (spot["OnDemandBaseCapacity"], spot["OnDemandPercentageAboveBaseCapacity"]) == (0, 0)
    assert spot["SpotAllocationStrategy"] == "price-capacity-optimized"
    assert not spot.get("SpotMaxPrice")
    assert on_demand["OnDemandPercentageAboveBaseCapacity"] == 100


def test_both_groups_choose_among_the_models_types(local: Built) -> None:
    for name in FLEET:
        overrides = local.groups()[name]["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
        assert [each["InstanceType"] for each in overrides] == ["c7i.xlarge", "c6i.xlarge"]


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_boots_one_named_version_of_its_template(local: Built, name: str) -> None:
    group = local.groups()[name]
    specification = (
        group.get("LaunchTemplate") or group["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"]
    )
    assert specification["Version"] == "1"


def test_nothing_but_scaling_replaces_or_moves_warm_nodes(local: Built) -> None:
    for name in FLEET:
        group = local.groups()[name]
        assert not group.get("CapacityRebalance")
        assert [each["ProcessName"] for each in group["SuspendedProcesses"]] == ["AZRebalance"]


@pytest.mark.parametrize("name", FLEET)
def test_a_node_is_in_service_when_warm_and_gone_when_drained(local: Built, name: str) -> None:
    group = local.groups()[name]["AutoScalingGroupName"]
    found = local.aws.client("autoscaling").describe_lifecycle_hooks(AutoScalingGroupName=group)["LifecycleHooks"]
    hooks = {each["LifecycleTransition"].rpartition("_")[2]: each for each in found}
    launch, terminate = hooks["LAUNCHING"], hooks["TERMINATING"]
    assert launch["DefaultResult"] == "ABANDON"  # who never became warm is no use in service
    assert terminate["DefaultResult"] == "CONTINUE"
    outputs = local.outputs[contract.OUTPUT_FLEETS][MODEL]
    assert launch["LifecycleHookName"] == outputs[contract.FLEET_LAUNCH_HOOK]
    assert terminate["LifecycleHookName"] == outputs[contract.FLEET_TERMINATE_HOOK]
    drain = float(variables(local, f"{MODEL}-template")[contract.VAR_DRAIN_SECONDS])
    assert terminate["HeartbeatTimeout"] > drain
    assert all(30 <= each["HeartbeatTimeout"] <= 7200 for each in found)  # PutLifecycleHook refuses others


@pytest.mark.parametrize("name", GROUPS)
def test_every_instance_is_tagged_with_its_role_environment_and_model(local: Built, name: str) -> None:
    tags = {each["Key"]: each["Value"] for each in local.groups()[name]["Tags"] if each["PropagateAtLaunch"]}
    wanted = {contract.TAG_ENVIRONMENT: "local", contract.TAG_ROLE: "gateway" if name == "gateway" else "node"}
    wanted |= {contract.TAG_MODEL: MODEL} if name in FLEET else {}
    assert tags.items() >= wanted.items()


@pytest.mark.parametrize("name", TEMPLATES)
def test_metadata_needs_a_token_reaches_no_container_and_shows_tags(local: Built, name: str) -> None:
    options = template_data(local, name)["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)
    assert options["InstanceMetadataTags"] == "enabled"


@pytest.mark.parametrize("name", TEMPLATES)
def test_disks_are_encrypted_and_go_with_their_instance(local: Built, name: str) -> None:
    (disk,) = template_data(local, name)["BlockDeviceMappings"]
    assert disk["Ebs"]["Encrypted"] is True
    assert disk["Ebs"]["DeleteOnTermination"] is True
    assert disk["Ebs"]["VolumeType"] == "gp3"


@pytest.mark.parametrize("name", TEMPLATES)
def test_user_data_fits_into_ec2_and_names_the_bundle_that_is_in_the_bucket(local: Built, name: str) -> None:
    assert len(base64.b64decode(template_data(local, name)["UserData"])) <= 16 * 1024
    given = variables(local, name)
    key = contract.service_prefix(given[contract.VAR_SERVICE_VERSION]) + contract.MANIFEST_NAME
    manifest = local.aws.client("s3").get_object(Bucket=given[contract.VAR_BUCKET], Key=key)["Body"].read()
    assert json.loads(manifest) == {"format": 1}


def test_what_a_first_boot_needs_is_there_before_any_group(local: Built) -> None:
    """The order here is chance; what a group waits for is not."""
    way_out = {name for name in local.of("Route") if "private" in name}
    assert way_out
    for name, group in local.of("Group").items():
        permission = "gateway-service" if name == "gateway" else f"{MODEL}-node-artifacts"
        assert group.waits_for >= {"service-archive", "service-manifest", permission, *way_out}, name


def test_the_manifest_that_names_a_bundle_comes_after_it(local: Built) -> None:
    assert "service-archive" in local.of("BucketObjectv2")["service-manifest"].waits_for
