"""`warmfleet image` as it is typed: what it prints, and with which code it ends."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from localcloud.aws.in_process import LocalAws
from localcloud.cloud_state import PROCESSES, CloudState
from scripts import cli, stack_target
from scripts.commands import image as command
from scripts.images.catalogue import Image
from scripts.stack_outputs import FleetOutputs, StackOutputs
from scripts.stack_target import StackTarget
from tests.aws.test_image_promotion import PARAMETER, STACK, made, promoted, value

CLOUD = CloudState("r", 1, 1.0, "http://127.0.0.1:9", 1, "127.1", "us-east-1", PROCESSES)
OUTPUTS = StackOutputs("us-east-1", "test", "b", "http://g", "g", "ab" * 32, (FleetOutputs("small", "s", None, 1),))


@pytest.fixture
def target(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> StackTarget:
    """A stack whose model names a parameter."""
    found: Any = StackTarget(Path(), "test", None, OUTPUTS, aws, None)  # type: ignore[arg-type]
    monkeypatch.setattr(stack_target, "open_stack", lambda _: found)
    monkeypatch.setattr(command, "_described", lambda _: STACK)
    made_target: StackTarget = found
    return made_target


def test_the_list_and_a_promotion_as_json(
    aws: LocalAws, target: StackTarget, capsys: pytest.CaptureFixture[str]
) -> None:
    image_id = made(aws)
    assert cli.run(["image", "promote", image_id, "--stack", "test", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "model": "small",
        "image_id": image_id,
        "parameter": PARAMETER,
        "before": None,
        "changed": True,
    }
    assert cli.run(["image", "list", "--stack", "test", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (listed,) = document["images"]
    assert document["service_version"] == listed["service_version"] == "ab" * 32
    assert (listed["image_id"], listed["promoted"], listed["state"]) == (image_id, True, "available")
    assert listed["age_seconds"] >= 0


def test_the_list_and_a_promotion_for_people(
    aws: LocalAws, target: StackTarget, capsys: pytest.CaptureFixture[str]
) -> None:
    first, other = made(aws), made(aws, service_version="cd" * 32)
    promoted(aws, first)
    assert cli.run(["image", "promote", other, "--stack", "test"]) == 0
    said = capsys.readouterr().out
    assert f"{PARAMETER} names {other}; before: {first}" in said
    assert "it has service cdcdcdcdcdcd and the stack abababababab" in said
    assert "`warmfleet up test` rolls the nodes onto it" in said
    assert cli.run(["image", "list", "--stack", "test"]) == 0
    said = capsys.readouterr().out
    (row,) = [line for line in said.splitlines() if other in line]
    assert row.split()[1:] == ["small", "0.0", "h", "cdcdcdcdcdcd,", "not", "the", "stack's", "promoted"]


def test_an_image_that_does_not_fit_ends_with_1_and_one_message(
    aws: LocalAws, target: StackTarget, capsys: pytest.CaptureFixture[str]
) -> None:
    image_id = made(aws, environment="prod")
    assert cli.run(["image", "promote", image_id, "--stack", "test"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, value(aws)) == ("", None)
    assert f"{image_id} is of environment prod" in captured.err


def test_processes_have_no_disk_to_make_an_image_of(
    target: StackTarget, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stack_target, "open_stack", lambda _: replace(target, cloud=CLOUD))
    assert cli.run(["image", "build"]) == 64
    assert "instances of this local cloud are processes" in capsys.readouterr().err


def test_an_old_image_has_its_age_in_days() -> None:
    image = Image("ami-1", "test", "small", "v", "ami-0", "available", "x86_64", datetime(2026, 1, 1, tzinfo=UTC))
    assert command._age(image, datetime(2026, 1, 11, tzinfo=UTC)) == "10 days"
    assert command._age(image, datetime(2026, 1, 1, 6, tzinfo=UTC)) == "6.0 h"
