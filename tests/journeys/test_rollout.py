"""A version rolls out over three nodes while clients ask, and each thing that may go wrong leaves the active one.

The real CLI, engine, processes and model, in one copy of the repository. Each test publishes a version of its own and
leaves every node on the active one.
"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import pytest
from scratch_checkout import Checkout, eventually, scratch_checkout
from steady_load import SteadyLoad

from inference_service import contract
from localcloud import control
from localcloud.environment import aws_environment
from localcloud.places import Places
from localcloud.processes import marked
from scripts.default_model import default_model

soon = partial(eventually, seconds=90)
NODES = 3

pytestmark = [pytest.mark.journey, pytest.mark.failures, pytest.mark.timeout(400)]


@dataclass
class Stack:
    """The local stack with three warm nodes."""

    checkout: Checkout
    model: str
    url: str
    key: str
    folder: Path

    def scale(self, nodes: int) -> None:
        groups = self.client("autoscaling")
        (spot,) = [
            each["AutoScalingGroupName"]
            for each in groups.describe_auto_scaling_groups()["AutoScalingGroups"]
            if each["DesiredCapacity"] and self.model in each["AutoScalingGroupName"]
        ]
        groups.set_desired_capacity(AutoScalingGroupName=spot, DesiredCapacity=nodes)

    def client(self, service: str) -> Any:
        state = control.running(self.checkout.root)
        assert state
        environ = aws_environment(state, {})
        session = boto3.Session(
            environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], region_name=state.region
        )
        return session.client(service, endpoint_url=state.endpoint_url)  # type: ignore[call-overload]

    def publish(self, version: str, *, weights: bytes | None = None) -> None:
        """The packaged model, or other weights, as another version."""
        (self.folder / "NOTICE").write_text(version)
        (self.folder / "other.gguf").write_bytes(weights or b"")
        model = self.folder / "other.gguf" if weights else default_model()
        self.models("publish", self.model, str(model), str(self.folder / "NOTICE"), "--version", version)

    def models(self, *arguments: str) -> Any:
        return json.loads(self.checkout.warmfleet("models", *arguments, "--json").stdout)

    def activate(self, version: str) -> subprocess.CompletedProcess[str]:
        done = self.checkout.warmfleet("models", "activate", self.model, version, "--json", check=False)
        assert "Traceback" not in done.stderr
        return done

    def activating(self, version: str) -> "subprocess.Popen[str]":
        command = [str(self.checkout.root / ".venv/bin/warmfleet"), "models", "activate", self.model, version]
        return subprocess.Popen(
            command, cwd=self.checkout.root, env=dict(self.checkout.environ), stderr=subprocess.PIPE, text=True
        )

    def pointer(self) -> dict[str, Any]:
        (model,) = self.models("list")["models"]
        return {field: model[field] for field in ("current", "candidate", "previous", "wave_percent")}

    def reports(self) -> dict[str, dict[str, Any]]:
        with urlopen(self.url + contract.PATH_FLEET, timeout=10) as answer:
            return {node["instance_id"]: node["report"] or {} for node in json.load(answer)["nodes"]}

    def all_serve(self, version: str, nodes: int = NODES) -> bool:
        reports = self.reports().values()
        good = [each for each in reports if (each.get("state"), each.get("version")) == ("ready", version)]
        return len(good) == len(reports) == nodes


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("rollout")
    checkout = scratch_checkout(folder / "warmfleet", os.environ)
    try:
        facts = json.loads(checkout.warmfleet("up", "--json").stdout)
        made = Stack(checkout, facts["model"], facts["gateway_url"], facts["api_key"], folder)
        made.scale(NODES)
        soon(lambda: made.all_serve(facts["version"]), "three warm nodes")
        yield made
    finally:
        control.stop(checkout.root, report=print)
    assert list(marked(Places.of(checkout.root).folder)) == []


def test_a_version_rolls_out_node_by_node_and_no_client_notices(stack: Stack) -> None:
    before = stack.pointer()["current"]
    stack.publish("v2")
    with SteadyLoad(stack.url, stack.model, stack.key) as load:
        soon(lambda: load.answers[before] >= 5, "answers of the version before")
        done = stack.activate("v2")
        soon(lambda: load.answers["v2"] >= 5, "answers of the new version")
    assert done.returncode == 0, done.stderr
    assert load.failed == []
    assert load.answers[before] > 5, "nobody asked while it went on"
    waves = [wave["nodes"] for wave in json.loads(done.stdout)["waves"]]
    assert sorted(node for wave in waves for node in wave) == sorted(stack.reports())
    assert len(waves[0]) == 1
    assert len(waves) >= 2
    assert stack.pointer() == {"current": "v2", "candidate": None, "previous": before, "wave_percent": 0}
    assert stack.all_serve("v2")
    for step in ("canary", "promote"):
        assert f"ok   {step}: " in done.stderr


def test_a_corrupt_file_is_named_with_its_node_and_no_node_leaves_service(stack: Stack) -> None:
    active, before = stack.pointer(), stack.reports()
    stack.publish("corrupt")
    s3 = stack.client("s3")
    bucket = next(each["Name"] for each in s3.list_buckets()["Buckets"] if each["Name"].startswith("models"))
    s3.put_object(Bucket=bucket, Key=contract.model_prefix(stack.model, "corrupt") + "NOTICE", Body=b"CORRUPT")
    with SteadyLoad(stack.url, stack.model, stack.key) as load:
        done = stack.activate("corrupt")
    assert (done.returncode, done.stdout, load.failed) == (1, "", [])
    assert f"{stack.model} stays on {active['current']}, its nodes are back on it: " in done.stderr
    assert any(f"{node} cannot serve corrupt: NOTICE differs from its manifest" in done.stderr for node in before)
    assert stack.pointer() == active
    after = stack.reports()
    assert stack.all_serve(active["current"])
    assert {node: after[node]["pid"] for node in after} == {node: before[node]["pid"] for node in before}
    assert all(after[node]["answered"] >= before[node]["answered"] for node in after), "a node was loaded again"


def test_weights_that_do_not_load_take_one_node_out_and_it_returns_from_its_disk(stack: Stack) -> None:
    active, before = stack.pointer(), stack.reports()
    stack.publish("unloadable", weights=b"GGUF" + bytes(4096))
    with SteadyLoad(stack.url, stack.model, stack.key) as load:
        done = stack.activate("unloadable")
    assert (done.returncode, load.failed) == (1, [])
    (canary,) = [node for node in before if f"{node} cannot serve unloadable: " in done.stderr]
    assert stack.pointer() == active
    assert stack.all_serve(active["current"])
    after = stack.reports()
    assert [node for node in after if after[node]["answered"] < before[node]["answered"]] in ([canary], [])
    lines = stack.checkout.warmfleet("logs", canary).stdout.splitlines()
    fetched = [json.loads(line[line.index("{") :]) for line in lines if '"event": "fetched"' in line]
    assert (fetched[-1]["version"], fetched[-1]["bytes"]) == (active["current"], 0)


def test_ctrl_c_sets_the_wave_back(stack: Stack) -> None:
    active = stack.pointer()
    stack.publish("interrupted")
    with stack.activating("interrupted") as run:
        assert run.stderr
        for line in run.stderr:
            if line.startswith("...  canary"):
                run.send_signal(signal.SIGINT)
                break
        said = run.stderr.read()
    assert run.returncode == 1, said
    assert f"{stack.model} stays on {active['current']}" in said
    assert "it was interrupted" in said
    assert stack.pointer() == active
    soon(lambda: stack.all_serve(active["current"]), "every node on the active version")


def test_a_run_that_was_killed_is_gone_on_with_and_no_other_version_comes_between(stack: Stack) -> None:
    active = stack.pointer()["current"]
    stack.publish("killed")
    stack.publish("another")
    with stack.activating("killed") as run:
        assert run.stderr
        assert any(line.startswith("ok   canary") for line in run.stderr)
        run.kill()
    half_way = stack.pointer()
    assert half_way["candidate"] == "killed"
    other = stack.activate("another")
    assert other.returncode == 1
    assert f"{stack.model} is rolling out killed" in other.stderr
    assert stack.pointer() == half_way
    done = stack.activate("killed")
    assert done.returncode == 0, done.stderr
    assert stack.all_serve("killed")
    assert stack.models("rollback", stack.model)["current"] == active
    soon(lambda: stack.all_serve(active), "every node on the version before")


def test_the_only_node_changes_while_its_clients_wait(stack: Stack) -> None:
    stack.scale(1)
    soon(lambda: stack.all_serve(stack.pointer()["current"], nodes=1), "one node alone")
    stack.publish("alone")
    with SteadyLoad(stack.url, stack.model, stack.key) as load:
        done = stack.activate("alone")
        soon(lambda: load.answers["alone"] >= 5, "answers of the new version")
    assert (done.returncode, load.failed) == (0, [])
    assert stack.all_serve("alone", nodes=1)
    stack.scale(NODES)
    soon(lambda: stack.all_serve("alone"), "three warm nodes")
