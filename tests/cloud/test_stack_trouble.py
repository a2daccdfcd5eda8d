"""What goes wrong in an `up` with the real CLI: refusals are one sentence, and the next `up` converges."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.core.exceptions import JsonRESTError
from moto.sqs.models import SQSBackend

from localcloud.aws.in_process import local_aws
from tests.cloud.left import left_in
from tests.cloud.world import StackFile, stack_file
from tests.stacks.program import stack_settings

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600)]


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[StackFile]:
    with local_aws() as aws, stack_file("dev", tmp_path / "checkout", aws) as made:
        yield made


def test_an_up_that_failed_halfway_is_completed_by_the_next(dev: StackFile, monkeypatch: pytest.MonkeyPatch) -> None:
    before = left_in(dev.aws)
    with monkeypatch.context() as patched:
        patched.setattr(SQSBackend, "create_queue", _refused)
        said = dev.run("up", "--yes", "--skip-preview", fails=True)
    assert "no queues today" in said
    assert "Traceback" not in said
    halfway = left_in(dev.aws)
    assert halfway != before  # it had begun

    dev.up()
    complete = left_in(dev.aws)
    assert all(set(halfway[kind]) <= set(complete[kind]) for kind in halfway)  # nothing was made a second time
    dev.up("--expect-no-changes")
    groups = dev.aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert len(groups) == 2 * len(stack_settings(dev.path).models) + 1
    dev.run("destroy", "--yes", "--skip-preview")
    assert left_in(dev.aws) == before


def test_a_vpc_that_does_not_exist_is_one_sentence_and_nothing_is_made(dev: StackFile) -> None:
    before = left_in(dev.aws)
    vpc_id, subnet_ids = "vpc-0123456789abcdef0", ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
    dev.change(vpc_id=vpc_id, subnet_ids=subnet_ids)
    for command in (["preview"], ["up", "--yes", "--skip-preview"]):
        said = dev.run(*command, fails=True)
        (line,) = {each.partition("error: ")[2] for each in said.splitlines() if "vpc_id is" in each}
        assert line.startswith(f"vpc_id is {vpc_id}, which cannot be read here: ")
        assert line.endswith("see Pulumi.dev.yaml")
        assert "Traceback" not in said
    assert left_in(dev.aws) == before


def _refused(*_: Any, **__: Any) -> None:
    raise JsonRESTError("OverLimit", "no queues today")
