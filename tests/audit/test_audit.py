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
EVERYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObjects", "Resource": "*"}]}'


@pytest.fixture(scope="module", params=NAMES)
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    """A stack's name, and its plan."""
    bundle = tmp_path_factory.mktemp("service")
    (bundle / "bundle.tar.gz").write_bytes(b"wheels")
    (bundle / "manifest.json").write_text(json.dumps({"format": 1}))
    with local_aws("127.79") as aws:
        built = run(aws, stack_settings(ROOT / f"Pulumi.{request.param}.yaml"), bundle)
    return request.param, plan(built)


def checkov(document: Any, folder: Path) -> set[tuple[str, str]]:
    """(check, resource) of everything that failed."""
    file = folder / "plan.json"
    file.write_text(json.dumps(document))
    options = ["--framework", "terraform_plan", "--output", "json", "--quiet", "--compact", "--soft-fail"]
    command = [str(BIN / "checkov"), "--file", str(file), *options, "--skip-download"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=outside())
    found = json.loads(done.stdout)
    assert found["summary"]["parsing_errors"] == 0
    assert found["summary"]["passed"] > 100
    return {(each["check_id"], each["resource"]) for each in found["results"]["failed_checks"]}


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
    found = checkov(document, tmp_path)
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
