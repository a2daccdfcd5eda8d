"""Every committed stack file through the real CLI: from its first preview to what its end leaves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.settings import Model, StackSettings
from infra.stack import GPU_IMAGE, UBUNTU
from localcloud.aws.in_process import local_aws
from tests.cloud.left import left_in
from tests.cloud.world import StackFile, stack_file
from tests.scratch_checkout import ROOT
from tests.stacks.program import stack_settings

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600)]
NAMES = sorted(path.stem.removeprefix("Pulumi.") for path in ROOT.glob("Pulumi.*.yaml"))

# Settings that one `up` changes in place, each to something else than any stack file has.
CHANGES: dict[str, Any] = {
    "allowed_cidrs": ["10.0.0.0/9", "192.168.0.0/16"],
    "gateway_instance_type": "c7i.xlarge",
    "gateway_nodes": 4,
    "gateway_drain_seconds": 31,
    "longest_wait_seconds": 300,
    "node_drain_seconds": 50,
    "rebalance_reaction": "stop_admitting",
    "poll_seconds": {"pointer": 7, "metadata": 3, "discovery": 20, "readiness": 2, "figures": 30},
    "log_retention_days": 7,
    "alarm_email": "ops@example.com",
    "max_hourly_usd": 999,
    "monthly_budget_usd": 321,
}
MODEL_CHANGES: dict[str, Any] = {
    "most_spot_nodes": 20,
    "initial_nodes": 3,
    "most_on_demand_nodes": 9,
    "on_demand_base_nodes": 2,
    "warm_pool_nodes": 1,
    "context_tokens": 4100,
    "slots": 7,
    "load_timeout_seconds": 900,
    "root_volume_gib": 77,
    "slo_wait_seconds": 5,
    "slo": 0.95,
    "replica_tokens_per_second": 321,
    "least_nodes": 2,
}
# Changed elsewhere here, or not in place: they replace subnets, listeners or the fleet, or are about the end.
OTHERS = {"models", "zones", "vpc_cidr", "vpc_id", "subnet_ids", "egress", "certificate_arn", "gateway_port"}
OTHERS |= {"customer_managed_keys", "deletion_protection", "region", "environment", "allowed_account_ids"}
OTHERS |= {"connection", "ssh_key_name", "ssh_security_group_id", "planner"}
MODEL_OTHERS = {"name", "engine", "gpu_memory_gib", "instance_types", "image_parameter", "vllm"}


@pytest.fixture(params=NAMES)
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StackFile]:
    with local_aws() as aws, stack_file(request.param, tmp_path / "checkout", aws) as made:
        yield made


def test_no_setting_is_forgotten_here() -> None:
    assert set(StackSettings.model_fields) == CHANGES.keys() | OTHERS
    assert set(Model.model_fields) == MODEL_CHANGES.keys() | MODEL_OTHERS


def test_a_stack_file_from_its_preview_to_its_end(stack: StackFile) -> None:
    before = left_in(stack.aws)
    stack.run("preview")
    assert left_in(stack.aws) == before

    stack.up()
    stack.up("--expect-no-changes")
    stack.run("refresh", "--yes", "--skip-preview", "--expect-no-changes")

    _change_everything(stack)
    _replace_the_targets(stack)
    _destroy(stack, before)


def _change_everything(stack: StackFile) -> None:
    first = stack_settings(stack.path).models[0]
    image = UBUNTU if first.engine == "vllm" else GPU_IMAGE
    types = list(first.instance_types[:-1])
    planner = not stack_settings(stack.path).planner  # on where it was off, gone where it was on
    model = {**MODEL_CHANGES, "instance_types": types, "image_parameter": image}
    stack.change(**CHANGES, planner=planner, model=model)
    ids = {each["urn"]: each.get("id") for each in stack.resources()}
    stack.up()
    after = {each["urn"]: each.get("id") for each in stack.resources()}
    assert any("Function" in urn for urn in after) == planner
    replaced = [urn for urn in ids.keys() & after.keys() if ids[urn] != after[urn] and "SecurityGroup" not in urn]
    assert replaced == []
    settings = stack_settings(stack.path)
    groups = stack.aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    most = {each["AutoScalingGroupName"].rpartition("-")[0]: each["MaxSize"] for each in groups}
    assert most == {"gateway": 5, f"{first.name}-spot": 20, f"{first.name}-on-demand": 9}
    assert settings.models[0].slots == 7
    stack.up("--expect-no-changes")


def _replace_the_targets(stack: StackFile) -> None:
    """Another port of the gateways is another target group: the new one is there before the old one goes."""
    elb = stack.aws.client("elbv2")
    (before,) = elb.describe_target_groups()["TargetGroups"]
    stack.change(gateway_port=9443)
    stack.up()
    (after,) = elb.describe_target_groups()["TargetGroups"]
    assert (before["Port"], after["Port"]) == (8080, 9443)
    (group,) = (
        each
        for each in stack.aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        if each["AutoScalingGroupName"].startswith("gateway-")
    )
    assert group["TargetGroupARNs"] == [after["TargetGroupArn"]]


def _destroy(stack: StackFile, before: dict[str, list[str]]) -> None:
    if not stack_settings(stack.path).deletion_protection:
        stack.run("destroy", "--yes", "--skip-preview")
        assert left_in(stack.aws) == before
        return
    there = left_in(stack.aws)
    assert "protected" in stack.run("destroy", "--yes", fails=True)
    assert left_in(stack.aws) == there
    stack.run("destroy", "--yes", "--skip-preview", "--exclude-protected")
    left = left_in(stack.aws)
    assert {kind: names for kind, names in left.items() if names != before.get(kind)}.keys() == {"bucket", "key"}
    assert sorted(each.rpartition("-")[0] for each in left["bucket"]) == ["logs", "models"]
    assert len(left["key"]) == 1
    public = stack.aws.client("s3").get_public_access_block(Bucket=left["bucket"][0])
    assert set(public["PublicAccessBlockConfiguration"].values()) == {True}  # what is kept stays private
