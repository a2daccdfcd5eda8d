"""`warmfleet preview`, `up` and `drift` on a stack that is not the local one, with the real CLI."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.aws.in_process import local_aws
from tests.cloud.left import left_in
from tests.cloud.world import StackFile, stack_file

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600)]


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[StackFile]:
    with local_aws() as aws, stack_file("dev", tmp_path / "checkout", aws) as made:
        yield made


def test_a_stack_from_its_preview_over_drift_to_what_would_lose_data(dev: StackFile) -> None:
    before = left_in(dev.aws)
    seen = json.loads(dev.warmfleet("preview", "dev", "--json"))
    assert {each["op"] for each in seen["changes"]} == {"create"}
    assert seen["violations"] == []
    assert "--yes" in dev.warmfleet("up", "dev", code=64, stream="stderr")
    assert left_in(dev.aws) == before

    dev.warmfleet("up", "dev", "--yes")
    assert json.loads(dev.warmfleet("preview", "dev", "--json"))["changes"] == []
    assert dev.warmfleet("drift", "dev") == "no drift\n"

    _change_behind_its_back(dev)
    drift = json.loads(dev.warmfleet("drift", "dev", "--json", code=2))["drift"]
    assert {(each["op"], each["name"]) for each in drift} == {("update", "models-versioning"), ("delete", "alarms")}
    dev.run("up", "--yes", "--skip-preview", "--refresh")

    # Models that nobody wants any more take their queues along.
    dev.change(model={"name": "another"})
    there = left_in(dev.aws)
    said = dev.warmfleet("preview", "dev", code=2)
    assert "LOSES DATA: delete Queue smollm2-135m-instruct-jobs: its messages would be gone" in said
    assert "--lose-data" in dev.warmfleet("up", "dev", "--yes", code=2, stream="stderr")
    assert left_in(dev.aws) == there
    dev.warmfleet("up", "dev", "--yes", "--lose-data")
    assert any("another-jobs" in url for url in dev.aws.client("sqs").list_queues()["QueueUrls"])


def test_what_a_rule_refuses_is_1_and_nothing_is_made(dev: StackFile) -> None:
    before = left_in(dev.aws)
    program = dev.root / "infra" / "__main__.py"
    program.write_text('import pulumi_aws as aws\naws.sqs.Queue("slow", receive_wait_time_seconds=21)\n')
    assert "slow: receiveWaitTimeSeconds is 21; must be 0 to 20" in dev.warmfleet("preview", "dev", code=1)
    assert "breaks 1 rules" in dev.warmfleet("up", "dev", "--yes", code=1, stream="stderr")
    assert left_in(dev.aws) == before


def test_a_mistake_in_the_stack_file_is_said_once(dev: StackFile) -> None:
    dev.change(max_hourly_usd=1)
    said = dev.warmfleet("preview", "dev", code=1, stream="stderr")
    assert said.count("max_hourly_usd is 1; every group full would cost $") == 1
    assert "Traceback" not in said


def _change_behind_its_back(dev: StackFile) -> None:
    s3 = dev.aws.client("s3")
    (bucket,) = (each["Name"] for each in s3.list_buckets()["Buckets"] if each["Name"].startswith("models"))
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    sns = dev.aws.client("sns")
    (topic,) = (each["TopicArn"] for each in sns.list_topics()["Topics"])
    sns.delete_topic(TopicArn=topic)
