"""`warmfleet check`: both kinds of file, what it says of them, and files that are neither."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.policies.resource import UNKNOWN, plain
from scripts.cli import run
from scripts.policy_check import IN_PREVIEW, LARGEST_BYTES, SDK_TYPES, read_resources

QUEUE = "aws:sqs/queue:Queue"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
URN = "urn:pulumi:dev::warmfleet::warmfleet:x:X$"


def queue(**props: Any) -> dict[str, Any]:
    return {"type": QUEUE, "name": "jobs", "props": props}


def step(type_: str, name: str, inputs: Any, op: str = "create", **behind: list[str]) -> dict[str, Any]:
    urn = f"{URN}{type_}::{name}"
    state = {"urn": urn, "custom": True, "type": type_, "inputs": inputs, "propertyDependencies": behind}
    return {"op": op, "urn": urn, "newState": state}


def checked(path: Path, found: Any, *options: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the command leaves the SDK's packages half loaded."""
    path.write_text(found if isinstance(found, str) else json.dumps(found))
    command = [sys.executable, "-m", "scripts.cli", "check", str(path), *options]
    return subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)


def test_a_list_is_judged_rule_by_rule_with_its_sources(tmp_path: Path) -> None:
    found = [queue(visibilityTimeoutSeconds=43201, delaySeconds="900"), queue(visibilityTimeoutSecond=3)]
    done = checked(tmp_path / "list.json", found, "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["resources"], document["mandatory"]) == (1, 2, 2)
    assert {(each["rule"], each["message"]) for each in document["violations"]} == {
        ("aws_refuses/queue-visibility-timeout-seconds-range", "visibilityTimeoutSeconds is 43201; must be 0 to 43200"),
        (
            SDK_TYPES,
            "visibilityTimeoutSecond: pulumi_aws has no such property (QueueArgs); did you mean "
            "visibilityTimeoutSeconds?",
        ),
    }
    assert all(each["source"].startswith("https://") for each in document["violations"])
    shown = checked(tmp_path / "list.json", found).stdout
    assert "REFUSED aws:sqs/queue:Queue jobs: visibilityTimeoutSeconds is 43201; must be 0 to 43200" in shown
    assert shown.endswith("2 resources: 2 refused, 0 advised\n")


def test_what_the_official_provider_refuses_by_itself_is_said_where_no_rule_says_it(tmp_path: Path) -> None:
    hook = {"heartbeatTimeout": 5, "autoscalingGroupName": "g", "lifecycleTransition": UNKNOWN_TEXT}
    target = {"arn": "queue", "rule": "interruptions"}
    found = [
        {"type": "aws:autoscaling/lifecycleHook:LifecycleHook", "name": "hook", "props": hook},
        {"type": "aws:cloudwatch/eventTarget:EventTarget", "name": "target", "props": target},
        queue(kmsMasterKeyId="alias/aws/sqs", sqsManagedSseEnabled=True),
    ]
    done = checked(tmp_path / "list.json", found, "--json")
    assert [(each["rule"], each["message"]) for each in json.loads(done.stdout)["violations"]] == [
        ("aws_refuses/lifecycle-hook-heartbeat-timeout-range", "heartbeatTimeout is 5; must be 30 to 7200"),
        ("aws_refuses/one-encryption", "kmsMasterKeyId and sqsManagedSseEnabled given; give one of them"),
        (IN_PREVIEW, "arn: is 'queue'; must be an ARN: arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE"),
    ]


def test_what_fits_is_0_with_a_count(tmp_path: Path) -> None:
    done = checked(tmp_path / "list.json", [queue(visibilityTimeoutSeconds=43200)])
    assert (done.returncode, done.stdout) == (0, "1 resources: nothing to say\n")


def test_a_preview_is_read_with_its_dependencies_and_unknown_values(tmp_path: Path) -> None:
    vpc, subnet = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet"
    inputs = {"vpcId": UNKNOWN_TEXT, "cidrBlock": "10.8.0.0/24", "__defaults": []}
    steps = [
        step(vpc, "net", {"cidrBlock": "10.7.0.0/16"}, "same"),
        step(subnet, "far", inputs, vpcId=[f"{URN}{vpc}::net"]),
        step(QUEUE, "gone", {"delaySeconds": 901}, "delete"),
    ]
    done = checked(tmp_path / "preview.json", {"config": {}, "steps": steps}, "--json")
    (violation,) = json.loads(done.stdout)["violations"]
    assert violation["message"] == "cidrBlock is 10.8.0.0/24; must lie inside 10.7.0.0/16 of net"
    assert json.loads(done.stdout)["resources"] == 2


def test_a_dependency_stands_for_a_property_that_is_not_known_yet() -> None:
    each = {**queue(), "propertyDependencies": {"kmsMasterKeyId": ["key"]}}
    (resource,) = read_resources(Path("f"), [each])
    assert resource.props == {"kmsMasterKeyId": UNKNOWN}
    assert resource.refers_to == {"kmsMasterKeyId": ["key"]}


def test_secrets_are_opened_and_files_are_not_looked_into() -> None:
    mark = "4dabf18193072939515e22adb298388d"
    secret = {mark: "1b47061264138c4ac30d75fd1eb44270", "value": "x"}
    asset = {mark: "c44067f5952c0a294b673a41bacd8c17", "path": "f"}
    assert plain({"a": secret, "b": [{**secret, "value": "[secret]"}], "c": asset}) == {
        "a": "x",
        "b": [UNKNOWN],
        "c": UNKNOWN,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1,\n", "f.json: line 2, column 1: Expecting value"),
        ("", "f.json: line 1, column 1: Expecting value"),
        ("{}", 'is neither a list of {"type", "name", "props"} nor the output of `pulumi preview --json`'),
        ("[5]", "resource 0 is int; must be an object with type, name and props"),
        ('[{"type": "aws:sqs/queue:Queue", "name": 5}]', "resource 0: name is 5; must be text"),
        ('[{"type": "aws:sqs/queue:Queue", "name": 5}]', "resource 0: props is None; must be an object"),
        (
            '[{"type": "aws:sqs/queues:Queues", "name": "q", "props": {}}]',
            "resource 0: type is 'aws:sqs/queues:Queues'",
        ),
        ('{"steps": [{}]}', "step 0 has no op"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_64_with_the_place(
    tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = checked(tmp_path / "f.json", text)
    assert (done.returncode, done.stdout) == (64, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_a_binary_and_a_huge_file_are_one_sentence(tmp_path: Path) -> None:
    binary, huge = tmp_path / "binary", tmp_path / "huge"
    binary.write_bytes(b"\xff\xfe[")
    with huge.open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    for path, said in (
        (tmp_path / "none", "cannot be read: No such file or directory"),
        (binary, "is no text in UTF-8: byte 0"),
        (huge, f"has {LARGEST_BYTES + 1} bytes; must be at most {LARGEST_BYTES}"),
    ):
        command = [sys.executable, "-m", "scripts.cli", "check", str(path)]
        done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
        assert done.returncode == 64
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_it_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--help"]) == 0
    assert "Example: warmfleet check preview.json" in capsys.readouterr().out
