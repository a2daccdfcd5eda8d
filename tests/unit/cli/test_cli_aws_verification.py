"""`make verify-aws`: what it refuses, the order in which it goes there and back, what it keeps. Not run on AWS."""

import datetime
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from inference_service import contract
from localcloud.aws.cloud import ACCOUNT
from localcloud.aws.in_process import LocalAws, local_aws
from scripts.aws_verification import __main__ as verification
from scripts.aws_verification.preflight import LANGUAGE_HOST, SERVICE_ROLES, SESSION_PLUGIN, refuse_unready
from scripts.aws_verification.questions import QUESTIONS
from scripts.aws_verification.shapes import differences, shape
from scripts.aws_verification.walk import STACK, Walk, billed
from scripts.exit_codes import USAGE, CommandError
from scripts.progress import Steps
from scripts.pulumi_cli import Found
from scripts.pulumi_events import Update
from scripts.root import find_root

ROOT = find_root(Path(__file__).parent)
PULUMI = Found(Path("/opt/pulumi"), (3, 240, 0))
OUTPUTS = {
    contract.OUTPUT_REGION: "us-east-1",
    contract.OUTPUT_ENVIRONMENT: STACK,
    contract.OUTPUT_BUCKET: "models-1",
    contract.OUTPUT_GATEWAY_URL: "http://internal:80",
    contract.OUTPUT_GATEWAY_GROUP: "gateway-1",
    contract.OUTPUT_INTERRUPTIONS_QUEUE: "http://queue",
    contract.OUTPUT_FLEETS: {"smol": {contract.FLEET_SPOT_GROUP: "smol-spot-1"}},
}


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with local_aws("127.62") as made:
        yield made


@dataclass
class Scripted:
    """Stands in for the Pulumi CLI and for our own: notes what it is told, and fails where it shall."""

    told: list[str] = field(default_factory=list)
    fails_at: str = ""
    error: BaseException = field(default_factory=lambda: CommandError("no"))
    second_up: Update = field(default_factory=Update)

    def _tell(self, what: str) -> None:
        self.told.append(what)
        if what == self.fails_at:
            raise self.error

    def select(self, stack: str) -> None:
        self._tell("select")

    def up(self, stack: str, report: Callable[[str], None]) -> Update:
        self._tell("up again" if "up" in self.told else "up")
        return self.second_up if "up again" in self.told else Update(summary={"create": 130})

    def outputs(self, stack: str) -> dict[str, Any]:
        return OUTPUTS

    def destroy(self, stack: str, report: Callable[[str], None]) -> None:
        self._tell("destroy")

    def remove(self, stack: str) -> None:
        self._tell("remove")

    def warmfleet(self, arguments: Sequence[str]) -> str:
        self._tell(" ".join(arguments[:2]) if arguments[0] == "models" else arguments[0])
        assert arguments[arguments.index("--stack") + 1] == STACK
        return json.dumps({"version": "3f9a", "answer": "It spreads requests."})


@pytest.fixture
def walk(tmp_path: Path, aws: LocalAws) -> Walk:
    (tmp_path / "Pulumi.dev.yaml").write_text((ROOT / "Pulumi.dev.yaml").read_text())
    scripted = Scripted()
    steps = Steps(io.StringIO())
    weights = tmp_path / "w.gguf"
    return Walk(tmp_path, "111122223333", weights, scripted, scripted.warmfleet, aws, tmp_path / "recorded", steps)


def told(walk: Walk) -> list[str]:
    assert isinstance(walk.pulumi, Scripted)
    return walk.pulumi.told


def failing(walk: Walk, at: str, error: BaseException | None = None) -> None:
    assert isinstance(walk.pulumi, Scripted)
    walk.pulumi.fails_at = at
    walk.pulumi.error = error or CommandError("no")


THERE = ["up", "up again", "models publish", "models activate", "ask"]


def test_the_way_there_is_that_of_the_deployment_guide_and_back_again(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.aws_verification.walk.answer", lambda *_: {"Status": "ok"})
    walk.run()
    assert told(walk) == ["select", *THERE, "destroy", "remove"]
    assert {path.stem for path in walk.recorded.iterdir()} == set(QUESTIONS)
    assert not walk.stack_file.exists()


def test_the_stack_is_dev_in_the_account_that_was_named_and_writes_to_nobody(walk: Walk) -> None:
    failing(walk, "destroy")
    with pytest.raises(CommandError):
        walk.run()
    config = yaml.safe_load(walk.stack_file.read_text())["config"]
    dev = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    assert config["aws:allowedAccountIds"] == ["111122223333"]
    assert config["warmfleet:models"] == dev["warmfleet:models"]
    assert "warmfleet:alarm_email" not in config


@pytest.mark.parametrize("step", THERE)
@pytest.mark.parametrize("error", [CommandError("no"), KeyboardInterrupt()], ids=["failure", "Ctrl-C"])
def test_whatever_happens_everything_is_removed(walk: Walk, step: str, error: BaseException) -> None:
    failing(walk, step, error)
    with pytest.raises(type(error)):
        walk.run()
    assert told(walk)[-2:] == ["destroy", "remove"]
    assert not walk.stack_file.exists()
    assert not walk.recorded.exists()


def test_a_second_up_that_changes_something_is_a_failure(walk: Walk) -> None:
    assert isinstance(walk.pulumi, Scripted)
    walk.pulumi.second_up = Update(summary={"same": 129, "update": 1})
    with pytest.raises(CommandError, match="changed 1 resources"):
        walk.run()


def test_what_could_not_be_removed_keeps_its_file_for_the_next_try(walk: Walk) -> None:
    failing(walk, "destroy")
    with pytest.raises(CommandError):
        walk.run()
    assert walk.stack_file.exists()
    assert "remove" not in told(walk)


def test_what_is_still_billed_is_named(walk: Walk, aws: LocalAws) -> None:
    ec2 = aws.client("ec2")
    tags = [{"ResourceType": "elastic-ip", "Tags": [{"Key": contract.TAG_ENVIRONMENT, "Value": STACK}]}]
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=tags)["AllocationId"]
    ec2.allocate_address(Domain="vpc")  # of somebody else
    assert billed(aws) == [address]
    with pytest.raises(CommandError, match=f"{address}; remove them by hand"):
        walk.back()
    ec2.release_address(AllocationId=address)
    assert billed(aws) == []


def test_everything_in_the_way_is_said_at_once(aws: LocalAws, tmp_path: Path) -> None:
    old = Found(Path("/usr/bin/pulumi"), (3, 100, 0))
    with pytest.raises(CommandError) as caught:
        refuse_unready({"PATH": str(tmp_path)}, old, aws, ACCOUNT)
    said = str(caught.value)
    for part in (
        "3.230 or newer, and found is /usr/bin/pulumi (3.100.0)",
        f"{LANGUAGE_HOST} is not on PATH",
        f"{SESSION_PLUGIN} is not on PATH",
        "role AWSServiceRoleForAutoScaling is missing; `aws iam create-service-linked-role",
        "role AWSServiceRoleForEC2Spot is missing",
    ):
        assert part in said


def ready(tmp_path: Path, aws: LocalAws) -> dict[str, str]:
    for name in (LANGUAGE_HOST, SESSION_PLUGIN):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    for role in SERVICE_ROLES:  # moto calls the second one otherwise when AWS is asked to make it
        aws.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    return {"PATH": str(tmp_path)}


def test_a_machine_and_an_account_that_are_ready_are_not_refused(aws: LocalAws, tmp_path: Path) -> None:
    refuse_unready(ready(tmp_path, aws), PULUMI, aws, ACCOUNT)


def test_another_account_is_refused_with_both_numbers(aws: LocalAws, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=f"of account {ACCOUNT}, and --account is 111122223333"):
        refuse_unready(ready(tmp_path, aws), PULUMI, aws, "111122223333")


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "PULUMI_DEBUG_PROVIDERS"])
def test_nothing_of_the_local_cloud_is_mistaken_for_aws(aws: LocalAws, tmp_path: Path, name: str) -> None:
    with pytest.raises(CommandError, match=f"{name} is set: this is about AWS itself"):
        refuse_unready({**ready(tmp_path, aws), name: "x"}, PULUMI, aws, ACCOUNT)


@pytest.mark.parametrize("typed", ["", "yes\n", "111122224444\n"])
def test_only_the_accounts_number_confirms(typed: str) -> None:
    said: list[str] = []
    with pytest.raises(CommandError, match="not confirmed; nothing was made") as caught:
        verification.confirm("about $1", "111122223333", io.StringIO(typed), said.append)
    assert caught.value.exit_code == USAGE
    assert "about $1" in said[0]
    verification.confirm("about $1", "111122223333", io.StringIO("111122223333\n"), said.append)


def test_the_price_is_said_before() -> None:
    about, most = (float(part.split()[0].rstrip(",")) for part in verification.costs(ROOT).split("$")[1:])
    assert 0.05 < about < 1 < most < 10


def test_a_shape_has_types_for_values_and_every_key_of_a_lists_members() -> None:
    reply = {
        "Groups": [{"Name": "a", "Size": 1, "At": datetime.datetime.now(datetime.UTC), "Zones": []}, {"Zones": ["x"]}],
        "Error": {"Code": "ValidationError", "Message": "for 111122223333"},
        "ResponseMetadata": {"RequestId": "r"},
    }
    assert shape(reply) == {
        "Groups": [{"Name": "str", "Size": "int", "At": "date", "Zones": ["str"]}],
        "Error": {"Code": "ValidationError", "Message": "str"},
    }


def test_differences_are_named_by_their_place() -> None:
    aws = {"A": [{"B": "str", "C": "int"}], "D": [], "E": {"Code": "X"}, "F": "str"}
    here = {"A": [{"B": "int", "G": "str"}], "D": ["str"], "E": {"Code": "Y"}, "F": ["str"]}
    assert sorted(differences(aws, here)) == [
        "reply.A[].B is str on AWS, int here",
        "reply.A[].C is missing here",
        "reply.A[].G is only here",
        "reply.E.Code is X on AWS, Y here",
        "reply.F is str on AWS, a list here",
    ]
    assert list(differences(aws, aws)) == []
