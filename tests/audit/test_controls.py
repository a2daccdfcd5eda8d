"""Each control, asserted on what AWS's API says exists after `up` of prod by the real CLI."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.aws.in_process import LocalAws, local_aws
from tests.audit.controls.catalogue import CONTROLS
from tests.audit.controls.control import Control, Seen
from tests.cloud.left import left_in
from tests.cloud.world import stack_file
from tests.real_cli import eventually
from tests.stacks.program import ROOT, stack_settings

pytestmark = [pytest.mark.audit, pytest.mark.timeout(300)]
FILE = yaml.safe_load(Path(__file__).with_name("accepted_controls.yaml").read_text())
ACCEPTED, ABSENT = FILE["accepted"], {each["id"] for each in FILE["absent"]}
GATEWAYS = stack_settings(ROOT / "Pulumi.prod.yaml").gateway_nodes


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """The stack of Pulumi.prod.yaml, its gateways running; removed afterwards."""
    with local_aws(ticking=True) as aws:
        before = left_in(aws)
        with stack_file("prod", tmp_path_factory.mktemp("prod") / "checkout", aws) as stack:
            stack.warmfleet("up", "prod", "--yes")
            eventually(lambda: len(running(aws)) == GATEWAYS, "the gateways' launch")
            yield aws
            stack.run("destroy", "--yes", "--skip-preview", "--exclude-protected")
        after = left_in(aws)
        assert {kind for kind, names in after.items() if names != before.get(kind)} == {"bucket", "key"}


def running(aws: LocalAws) -> list[str]:
    filters = [{"Name": "instance-state-name", "Values": ["running"]}]
    found = aws.client("ec2").describe_instances(Filters=filters)["Reservations"]
    return [each["InstanceId"] for group in found for each in group["Instances"]]


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_prod_keeps_the_control(prod: LocalAws, control: Control) -> None:
    seen = list(control.look(prod))
    if control.id in ABSENT:
        assert seen == [], "there is something to look at now: take the control out of `absent`"
        return
    assert seen, "the control looked at nothing"
    assert refused(control, seen) == []
    assert unused(control, seen) == []


def refused(control: Control, seen: list[Seen]) -> list[str]:
    """What is wrong, and not accepted."""
    return [
        f"{resource} {wrong}"
        for resource, wrong in seen
        if wrong and not any(re.fullmatch(each["resources"], resource) for each in entries(control))
    ]


def unused(control: Control, seen: list[Seen]) -> list[Any]:
    """Entries that accept nothing any more."""
    wrong = [resource for resource, problem in seen if problem]
    return [each for each in entries(control) if not any(re.fullmatch(each["resources"], one) for one in wrong)]


def entries(control: Control) -> list[Any]:
    return [each for each in ACCEPTED if each["id"] == control.id]


def test_every_control_stands_once_and_what_is_accepted_is_one_of_them_and_has_a_reason() -> None:
    ids = [each.id for each in CONTROLS]
    assert len(ids) == len(set(ids))
    assert {each["id"] for each in FILE["accepted"] + FILE["absent"]} <= set(ids)
    assert not ABSENT & {each["id"] for each in ACCEPTED}
    assert all(len(each["reason"]) >= 8 for each in FILE["accepted"] + FILE["absent"])
