"""What docs/runbooks/state.md promises, with the real CLI: locks, a killed `up`, older states, the S3 backend."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.aws.in_process import local_aws
from localcloud.cloud_state import CloudState
from localcloud.environment import pulumi_environment
from scripts import pulumi_cli
from tests.real_cli import MARK, ROOT, SECONDS, CliStack, eventually, provider

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600)]  # a first run on this machine builds the CLI
PROGRAM = """
import pulumi, pulumi_aws as aws
config = pulumi.Config()
vpc = aws.ec2.Vpc("net", cidr_block="10.0.0.0/16", tags={"owner": config.get("owner") or "first"})
subnet = aws.ec2.Subnet("a", vpc_id=vpc.id, cidr_block="10.0.1.0/24")
template = aws.ec2.LaunchTemplate("node", image_id="ami-12c6146b", instance_type="t3.micro")
nodes = int(config.get("nodes") or 0)
fleet = aws.autoscaling.Group("fleet", min_size=0, max_size=2, desired_capacity=nodes, force_delete=True,
    vpc_zone_identifiers=[subnet.id], wait_for_capacity_timeout="10m" if nodes else "0",
    launch_template={"id": template.id, "version": template.latest_version.apply(str)})
"""


class Stack(CliStack):
    """The stack `dev` of a small project."""

    def warmfleet(self, *arguments: str) -> str:
        """A command of ours, in this folder."""
        done = subprocess.run(
            [sys.executable, "-m", "scripts.cli", *arguments],
            cwd=self.folder,
            env={**self.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), self.environ.get("PYTHONPATH", "")])},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def groups(self) -> list[str]:
        groups = self.aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        return [str(each["AutoScalingGroupName"]) for each in groups]

    def waiting_up(self) -> "subprocess.Popen[str]":
        """An `up` that has made the group and waits for its node: the cloud's clock stands still."""
        self.run("config", "set", "nodes", "1")
        process = self.start("up", "--yes", "--skip-preview")
        eventually(self.groups, "the group exists")
        return process


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    backend = tmp_path / ".warmfleet" / "pulumi"
    backend.mkdir(parents=True)
    cli = pulumi_cli.ensure(ROOT, report=print)
    (tmp_path / "Pulumi.yaml").write_text("name: warmfleet\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(
        'config:\n  aws:region: us-east-1\n  aws:allowedAccountIds: ["123456789012"]\n'
    )
    (tmp_path / "__main__.py").write_text(PROGRAM)
    with local_aws("127.64") as aws, provider(aws.url, backend) as port:
        state = CloudState("run", os.getpid(), 0, aws.url, port, "127.64", "us-east-1")
        environ = pulumi_environment(state, tmp_path, os.environ, cli.parent) | {MARK: str(tmp_path)}
        made = Stack(tmp_path, environ, cli, aws)
        made.run("stack", "init", "dev")
        yield made
        for each in made.processes():
            each.kill()


def test_a_second_up_is_refused_while_the_first_runs_and_finds_nothing_to_do_afterwards(stack: Stack) -> None:
    first = stack.waiting_up()
    said = stack.up(fails=True)
    assert "the stack is currently locked by 1 lock(s)" in said
    assert f"(pid {first.pid})" in said
    stack.aws.tick(4)
    first.communicate(timeout=SECONDS)
    assert first.returncode == 0
    stack.up("--expect-no-changes")


def taken_over(exported: str, made: str) -> Any:
    """The state in which the one pending creation is a resource with this id: what the runbook does with jq."""
    state = json.loads(exported)
    (pending,) = state["deployment"].pop("pending_operations")
    state["deployment"]["resources"].append({**pending["resource"], "id": made})
    return state


def test_a_killed_up_is_gone_on_with_after_cancel_and_taking_over_what_it_was_making(stack: Stack) -> None:
    first = stack.waiting_up()
    eventually(lambda: stack.state().get("pending_operations"), "the creation is noted in the state")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    eventually(lambda: not stack.processes(), "the killed run's processes have ended")
    assert "currently locked" in stack.up(fails=True)
    stack.run("cancel", "--yes")

    (group,) = stack.groups()
    (stack.folder / "repaired.json").write_text(json.dumps(taken_over(stack.run("stack", "export"), group)))
    stack.run("stack", "import", "--file", str(stack.folder / "repaired.json"))
    stack.run("refresh", "--yes", "--skip-preview")
    again = stack.start("up", "--yes", "--skip-preview")
    eventually(lambda: stack.aws.tick(1) or again.poll() is not None, "the next `up` ends")
    said, _ = again.communicate()
    assert again.returncode == 0, said
    assert stack.groups() == [group]  # not a second one beside it
    stack.up("--expect-no-changes")


def test_an_exported_state_can_be_put_back(stack: Stack) -> None:
    stack.up()
    kept = stack.folder / "kept.json"
    stack.run("stack", "export", "--file", str(kept))
    before = stack.state()["resources"]
    broken = json.loads(kept.read_text())
    broken["deployment"]["resources"] = broken["deployment"]["resources"][:1]
    (stack.folder / "broken.json").write_text(json.dumps(broken))
    stack.run("stack", "import", "--file", str(stack.folder / "broken.json"))
    assert len(stack.state()["resources"]) == 1

    stack.run("stack", "import", "--file", str(kept))
    assert [each["urn"] for each in stack.state()["resources"]] == [each["urn"] for each in before]
    stack.up("--expect-no-changes")


def test_the_state_bucket_keeps_a_stack_and_every_version_of_its_state(stack: Stack) -> None:
    """As far as the CLI goes without resources: the local provider works with the local backend alone."""
    document = json.loads(stack.warmfleet("backend", "init", "--json"))
    url = next(text for text in document.values() if str(text).startswith("s3://"))
    in_bucket = Stack(stack.folder, {**stack.environ, "PULUMI_BACKEND_URL": url}, stack.cli, stack.aws)
    in_bucket.run("stack", "init", "staging")
    assert in_bucket.run("stack", "export", "--stack", "staging")
    bucket = url.removeprefix("s3://").partition("?")[0]
    s3 = stack.aws.client("s3")
    keys = {each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert ".pulumi/stacks/warmfleet/staging.json" in keys
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
