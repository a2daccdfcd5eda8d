"""The policy pack under the real CLI, and the same rules offline: both say the same."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.aws.in_process import local_aws
from tests.cloud.left import left_in
from tests.cloud.world import StackFile, stack_file
from tests.stacks.program import stack_settings

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600)]
PACK = ("--policy-pack", "infra/policies")
# Such as the official provider lets through: what it refuses by itself, no pack is shown.
MISTAKES = """
import pulumi, pulumi_aws as aws
vpc = aws.ec2.Vpc("net", cidr_block="10.7.0.0/16")
aws.ec2.Subnet("far", vpc_id=vpc.id, cidr_block="10.8.0.0/24", availability_zone="us-east-1a")
aws.sqs.Queue("slow", receive_wait_time_seconds=21)
aws.sqs.Queue("right", receive_wait_time_seconds=20)
"""
REFUSED = {
    ("far", "cidrBlock is 10.8.0.0/24; must lie inside 10.7.0.0/16 of net"),
    ("slow", "receiveWaitTimeSeconds is 21; must be 0 to 20"),
}


@pytest.fixture
def prod(tmp_path: Path) -> Iterator[StackFile]:
    with local_aws() as aws, stack_file("prod", tmp_path / "checkout", aws) as made:
        yield made


def offline(stack: StackFile, tmp_path: Path, code: int) -> Any:
    """What `warmfleet check` says of the stack's preview."""
    preview, said = tmp_path / "preview.json", stack.run("preview", "--json", "--show-sames")
    preview.write_text(said[said.index("{") :])
    return json.loads(stack.warmfleet("check", str(preview), "--json", code=code))


def test_the_pack_has_nothing_to_say_of_prod(prod: StackFile, tmp_path: Path) -> None:
    said = prod.run("preview", *PACK)
    assert "warmfleet" in said  # the pack ran
    assert "[mandatory]" not in said
    assert offline(prod, tmp_path, 0)["violations"] == []
    assert offline(prod, tmp_path, 0)["resources"] > 90
    assert len(stack_settings(prod.path).models) == 1


def test_what_the_pack_refuses_is_what_the_check_refuses_and_nothing_is_made(prod: StackFile, tmp_path: Path) -> None:
    (prod.root / "infra" / "__main__.py").write_text(MISTAKES)
    before = left_in(prod.aws)
    for command in (["preview"], ["up", "--yes"]):
        said = prod.run(*command, *PACK, fails=True)
        for name, message in REFUSED:
            assert message in said, said
            assert name in said
    assert left_in(prod.aws) == before
    found = offline(prod, tmp_path, 1)["violations"]
    assert {(each["resource"], each["message"]) for each in found} == REFUSED


def test_advice_is_shown_and_stops_nothing(prod: StackFile, tmp_path: Path) -> None:
    (prod.root / "infra" / "__main__.py").write_text('import pulumi_aws as aws\naws.cloudwatch.LogGroup("endless")\n')
    message = "retentionInDays is not given; logs are kept, and billed, for ever"
    said = prod.run("up", "--yes", *PACK)
    assert "[advisory]  security-logs-that-end" in said
    assert message in said
    (found,) = offline(prod, tmp_path, 0)["violations"]
    assert (found["message"], found["mandatory"]) == (message, False)
