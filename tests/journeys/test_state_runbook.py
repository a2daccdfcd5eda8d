"""What docs/runbooks/state.md promises, with the real CLI: locks, a killed `up`, older states, the S3 backend."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from localcloud.aws.in_process import LocalAws, local_aws
from localcloud.cloud_state import CloudState
from localcloud.environment import pulumi_environment
from scripts import pulumi_cli

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600)]  # a first run on this machine builds the CLI
ROOT = Path(__file__).parents[2]
SECONDS = 60
MARK = "WARMFLEET_TEST_RUN"
WAITING = "aws:autoscaling/group:Group::fleet"
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


@dataclass(frozen=True)
class Stack:
    """The stack `dev` of a small project, and the CLI that works on it."""

    folder: Path
    environ: Mapping[str, str]
    cli: Path
    aws: LocalAws

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(self.cli), *arguments, "--non-interactive"],
            cwd=self.folder,
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, fails: bool = False) -> str:
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=SECONDS)
        assert (process.returncode != 0) == fails, said
        return said

    def up(self, *arguments: str, fails: bool = False) -> str:
        return self.run("up", "--yes", "--skip-preview", *arguments, fails=fails)

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

    def state(self) -> Any:
        return json.loads(self.run("stack", "export"))["deployment"]

    def resource(self, name: str) -> Any:
        """A resource of the state, by type and name; None if it is not there."""
        found = {"::".join(each["urn"].split("::")[2:]).split("$")[-1]: each for each in self.state()["resources"]}
        return found.get(name)

    def groups(self) -> list[str]:
        groups = self.aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        return [str(each["AutoScalingGroupName"]) for each in groups]

    def waiting_up(self) -> "subprocess.Popen[str]":
        """An `up` that has made the group and waits for its node: the cloud's clock stands still."""
        self.run("config", "set", "nodes", "1")
        process = self.start("up", "--yes", "--skip-preview")
        eventually(self.groups, "the group exists")
        return process

    def processes(self) -> list[psutil.Process]:
        return [each for each in psutil.process_iter() if _marked(each, self.environ[MARK])]


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def eventually(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {SECONDS} s"
        time.sleep(0.02)


@contextlib.contextmanager
def provider(url: str, backend: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "localcloud.provider", "--endpoint", url, "--backend-dir", str(backend)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["port"]
        process.terminate()
    assert process.returncode == 0


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
