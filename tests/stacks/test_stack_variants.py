"""Stacks that differ from the local one, each built in a local AWS of its own."""

import json
from pathlib import Path

import pulumi
import pytest

from inference_service import contract
from infra.components.service_bundle import BundleMissingError
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


def test_a_bucket_with_models_is_kept_unless_the_stack_says_otherwise(aws: LocalAws, bundle: Path) -> None:
    given = stack_settings(LOCAL, deletion_protection="true")
    assert run(aws, given, bundle).of("Bucket")["models"].inputs["forceDestroy"] is False


def test_a_service_bundle_that_is_not_built_is_one_sentence_with_the_remedy(aws: LocalAws, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(BundleMissingError, match=r"has no bundle.tar.gz; run `warmfleet service build`") as caught:
        run(aws, stack_settings(LOCAL), tmp_path)
    assert isinstance(caught.value, pulumi.RunError)
    assert aws.client("s3").list_buckets()["Buckets"] == []  # said before anything was made
