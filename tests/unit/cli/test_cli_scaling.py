"""`warmfleet scaling` as processes, against moto's S3 and what the planner's own handler wrote there."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from cli_checkout import Checkout

from inference_service import contract
from infra.planner import cloud
from infra.planner.instances import Memory
from infra.planner.minute import document as document_of
from infra.planner.model import Limits, Observation, Pool
from infra.planner.plan import plan

MODEL = "smollm2"


@pytest.fixture
def bucket(client: Callable[[str], Any]) -> str:
    name = f"planned-{uuid.uuid4().hex[:12]}"  # the local S3 is shared
    client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def scaling(checkout: Checkout, aws: dict[str, str], bucket: str) -> Callable[..., Any]:
    checkout.outputs(bucketName=bucket, fleets={MODEL: {"spotGroup": "s", "onDemandGroup": "o", "initialNodes": 1}})
    return lambda *arguments: checkout.run("scaling", *arguments, "--stack", "dev", **aws)


def planned(client: Callable[[str], Any], bucket: str) -> None:
    pools = (Pool("s", True, 0.41, 2, 2), Pool("o", False, 1.0, 0, 0))
    observation = Observation(1_790_000_040.0, pools, 10.0, 35.0, backlog_tokens=7.0)
    made = plan(observation, None, Limits({"s": 9, "o": 2}, max_hourly_usd=1.0))
    document = document_of(made, Memory(), observation, False, observation.at_seconds, None)
    cloud.write_json(client("s3"), bucket, contract.scaling_state_key(MODEL), document, None)


def test_explain_tells_what_was_seen_wanted_expected_and_refused(
    scaling: Callable[..., Any], client: Callable[[str], Any], bucket: str
) -> None:
    planned(client, bucket)
    told = scaling("explain").stdout
    for said in (
        "35 tokens/s, 3.5 replicas; 7 tokens wait",
        "s: 2 wanted",
        "2 ready",
        "refused: max_hourly_usd",
        "it should be every minute",
    ):
        assert said in told
    assert json.loads(scaling("explain", "--json").stdout)["expected"]["demand_replicas"] > 3


def test_a_fleet_that_nobody_plans_says_how_to_begin(scaling: Callable[..., Any]) -> None:
    done = scaling("explain")
    assert done.returncode == 1
    assert "`planner: true` in the stack's file" in done.stderr


def test_pause_and_resume_are_what_the_handler_reads(
    scaling: Callable[..., Any], client: Callable[[str], Any], bucket: str
) -> None:
    key = contract.scaling_control_key(MODEL)
    assert "paused" in scaling("pause").stdout
    assert cloud.read_json(client("s3"), bucket, key)[0] == {"paused": True}
    scaling("resume")
    resumed = cloud.read_json(client("s3"), bucket, key)[0]
    assert resumed["paused"] is False
    assert resumed["resumed_at"] > 1_790_000_000
