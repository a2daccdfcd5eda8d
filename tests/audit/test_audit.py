"""What checkov finds in the four stacks is accepted with a reason; parliament finds nothing in any IAM policy."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.aws.in_process import local_aws
from scripts import planner_zip
from tests.audit.terraform_plan import plan
from tests.stacks.program import ROOT, run, stack_settings

pytestmark = [pytest.mark.audit, pytest.mark.timeout(300)]
BIN = ROOT / "build" / "audit" / "bin"
NAMES = sorted(path.stem.removeprefix("Pulumi.") for path in ROOT.glob("Pulumi.*.yaml"))
ACCEPTED = yaml.safe_load(Path(__file__).with_name("accepted.yaml").read_text())
PARLIAMENT = """
import json, sys
from parliament import analyze_policy_string
for name, text in json.load(sys.stdin).items():
    for found in analyze_policy_string(text).findings:
        print(name, found.issue, found.detail)
"""
# The checks that docs and reviews count on; a check that finds nothing to judge would pass as well.
COUNTED_ON = {f"CKV2_AWS_{number}" for number in (6, 11, 12, 20, 28, 61, 73)} | {
    f"CKV_AWS_{number}"
    for numbers in (
        (18, 19, 20, 21, 70, 144, 145),  # S3
        (46, 79, 88, 341, 153, 315),  # launch templates, groups
        (2, 91, 103, 131, 150, 328, 378),  # load balancers
        (23, 24, 25, 260, 277, 382),  # security groups
        (27, 168, 26, 7, 33),  # queues, topics, keys
        (60, 61, 62, 63, 286, 287, 288, 289, 290, 355),  # IAM
        (66, 158, 338),  # logs
    )
    for number in numbers
}
EVERYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObjects", "Resource": "*"}]}'


@pytest.fixture(scope="module", params=NAMES)
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    """A stack's name, and its plan."""
    bundle = tmp_path_factory.mktemp("service")
    (bundle / "bundle.tar.gz").write_bytes(b"wheels")
    (bundle / "manifest.json").write_text(json.dumps({"format": 1}))
    planner_zip.write(ROOT, bundle)
    with local_aws("127.79") as aws:
        built = run(aws, stack_settings(ROOT / f"Pulumi.{request.param}.yaml"), bundle)
    return request.param, plan(built)


def checkov(document: Any, folder: Path) -> set[tuple[str, str]]:
    """(check, resource) of everything that failed."""
    return {(each["check_id"], each["resource"]) for each in judged(document, folder)["failed_checks"]}


def judged(document: Any, folder: Path) -> Any:
    """checkov's own answer, what passed included."""
    file = folder / "plan.json"
    file.write_text(json.dumps(document))
    options = ["--framework", "terraform_plan", "--output", "json", "--compact", "--soft-fail"]
    command = [str(BIN / "checkov"), "--file", str(file), *options, "--skip-download"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=outside())
    found = json.loads(done.stdout)
    assert found["summary"]["parsing_errors"] == 0
    assert found["summary"]["passed"] > 100
    return found["results"]


def wanted(stack: str) -> set[str]:
    """A key of the stack's own is not everywhere."""
    return COUNTED_ON if stack in ("staging", "prod") else COUNTED_ON - {"CKV_AWS_7", "CKV_AWS_33"}


def parliament(policies: dict[str, str]) -> list[str]:
    command = [str(BIN / "python"), "-W", "ignore", "-c", PARLIAMENT]
    done = subprocess.run(
        command, input=json.dumps(policies), capture_output=True, text=True, check=True, env=outside()
    )
    return done.stdout.splitlines()


def outside() -> dict[str, str]:
    """The scanners' own environment: none of our packages."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def accepted(stack: str, found: tuple[str, str]) -> list[int]:
    """The entries that accept a finding."""
    return [
        number
        for number, each in enumerate(ACCEPTED)
        if each["id"] == found[0] and stack in each["stacks"] and re.fullmatch(each["resources"], found[1])
    ]


def test_checkov_finds_what_is_accepted_and_nothing_else(rendered: tuple[str, Any], tmp_path: Path) -> None:
    stack, document = rendered
    results = judged(document, tmp_path)
    assert {each["check_id"] for kind in ("passed_checks", "failed_checks") for each in results[kind]} >= wanted(stack)
    found = {(each["check_id"], each["resource"]) for each in results["failed_checks"]}
    assert sorted(each for each in found if not accepted(stack, each)) == []
    used = {number for each in found for number in accepted(stack, each)}
    assert [each for number, each in enumerate(ACCEPTED) if stack in each["stacks"] and number not in used] == []


def test_parliament_finds_nothing_in_any_policy_of_a_role(rendered: tuple[str, Any]) -> None:
    resources = rendered[1]["planned_values"]["root_module"]["resources"]
    policies = {
        each["address"]: each["values"]["policy"] for each in resources if each["type"] == "aws_iam_role_policy"
    }
    assert len(policies) >= 6
    assert parliament(policies) == []


def test_a_weak_stack_would_be_found(rendered: tuple[str, Any], tmp_path: Path) -> None:
    """The audit can fail: the same plan without encryption and tokens, and a policy with an unknown action."""
    stack, document = rendered
    weak = json.loads(json.dumps(document))
    for each in weak["resource_changes"]:
        if each["type"] == "aws_launch_template":
            each["change"]["after"]["metadata_options"] = [{"http_tokens": "optional"}]
    for each in weak["planned_values"]["root_module"]["resources"]:
        if each["type"] == "aws_launch_template":
            each["values"]["metadata_options"] = [{"http_tokens": "optional"}]
    assert any(check == "CKV_AWS_79" for check, _ in checkov(weak, tmp_path) if not accepted(stack, (check, _)))
    assert any("UNKNOWN_ACTION" in line for line in parliament({"p": EVERYTHING}))


def test_every_acceptance_has_a_reason() -> None:
    assert all(len(each["reason"]) > 8 and set(each["stacks"]) <= set(NAMES) for each in ACCEPTED)
