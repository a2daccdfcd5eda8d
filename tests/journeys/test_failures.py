"""What goes wrong on a user's machine: each is said in clear lines, and the same command succeeds afterwards.

The real CLI, engine, processes and model, in one copy of the repository. `up` heals from any state, so the tests may
run in any order.
"""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import boto3
import pytest
from scratch_checkout import Checkout, eventually, scratch_checkout

from inference_service import contract
from localcloud import control
from localcloud.environment import aws_environment
from localcloud.places import Places
from localcloud.processes import marked
from scripts.local_stack import Backend

soon = partial(eventually, seconds=60)
GATEWAY_PORT = 8080

pytestmark = [pytest.mark.journey, pytest.mark.failures, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    made = scratch_checkout(tmp_path_factory.mktemp("failures") / "warmfleet", os.environ)
    try:
        yield made
    finally:
        control.stop(made.root, report=print)
    assert list(marked(Places.of(made.root).folder)) == []


def up(checkout: Checkout) -> Any:
    """The facts of an `up` that ends with an answer."""
    facts = json.loads(checkout.warmfleet("up", "--json").stdout)
    assert facts["answer"]["text"].strip()
    return facts


def refused(checkout: Checkout, *arguments: str) -> str:
    """What a command that fails says: in clear lines, and nothing on standard output."""
    done = checkout.warmfleet(*arguments, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def missing(checkout: Checkout) -> str:
    """Why nodes are missing, as `status` says it."""
    (fleet,) = json.loads(checkout.warmfleet("status", "--json").stdout)["fleets"]
    return "\n".join(fleet["missing"])


def client(checkout: Checkout, service: str) -> Any:
    state = control.running(checkout.root)
    assert state
    environ = aws_environment(state, {})
    session = boto3.Session(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], region_name=state.region)
    return session.client(service, endpoint_url=state.endpoint_url)  # type: ignore[call-overload]


def test_an_occupied_port_names_its_owner_and_up_replaces_the_gateway_once_it_is_free(checkout: Checkout) -> None:
    control.stop(checkout.root, report=print)
    prefix = control.start(checkout.root, report=print, environ=checkout.environ).address_prefix
    with socket.create_server((f"{prefix}.1.1", GATEWAY_PORT)), socket.create_server((f"{prefix}.1.2", GATEWAY_PORT)):
        said = refused(checkout, "up", "--wait", "3")
        assert "is warm after" in said
        gateway = soon(lambda: control.problems(checkout.root), "a given up gateway")[0].resource
        assert "address already in use" in (words := missing(checkout))
        assert f"{gateway}: its service ended with code 1" in words
        assert "`make up` replaces the instance" in words
    up(checkout)
    assert control.problems(checkout.root) == []


@pytest.mark.parametrize(
    "altered", [lambda body: body[:-1] + bytes([body[-1] ^ 1]), lambda _: b"short"], ids=["same size", "other size"]
)
def test_a_node_that_finds_altered_weights_stays_out_of_service_until_they_are_put_back(
    checkout: Checkout, altered: Callable[[bytes], bytes]
) -> None:
    facts = up(checkout)
    s3, groups = client(checkout, "s3"), client(checkout, "autoscaling")
    bucket = next(each["Name"] for each in s3.list_buckets()["Buckets"] if each["Name"].startswith("models"))
    prefix = contract.model_prefix(facts["model"], facts["version"])
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
    (key,) = [each for each in keys if not each.endswith(contract.MANIFEST_NAME)]
    s3.put_object(Bucket=bucket, Key=key, Body=altered(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
    for each in groups.describe_auto_scaling_instances()["AutoScalingInstances"]:
        if facts["model"] in each["AutoScalingGroupName"]:
            groups.terminate_instance_in_auto_scaling_group(
                InstanceId=each["InstanceId"], ShouldDecrementDesiredCapacity=False
            )

    words = soon(lambda: "differs from its manifest" in (text := missing(checkout)) and text, "the refusal")
    assert f"{key.removeprefix(prefix)} differs from its manifest" in words
    assert len(hashes(words)) == 2
    states = {each["LifecycleState"] for each in groups.describe_auto_scaling_instances()["AutoScalingInstances"]}
    assert "Pending:Wait" in states
    assert "ask again in" in refused(checkout, "ask", "hello", "--timeout", "0")

    healed = up(checkout)
    (published,) = [each["result"] for each in healed["steps"] if each["name"] == "publish"]
    assert f"put back what the bucket lacked or held altered ({key.removeprefix(prefix)})" in published


def hashes(text: str) -> set[str]:
    return {word for word in text.replace("(", " ").replace(")", " ").replace(",", " ").split() if len(word) == 64}


def test_a_killed_cloud_is_said_in_one_line_and_an_interrupted_up_leaves_what_the_next_one_finishes(
    checkout: Checkout,
) -> None:
    cloud = control.start(checkout.root, report=print, environ=checkout.environ)
    os.kill(cloud.daemon_pid, signal.SIGKILL)
    for command in (["status"], ["ask", "hello"], ["env"], ["models", "list"]):
        assert refused(checkout, *command) == "the local cloud is not running; start it with `make up`\n"

    with subprocess.Popen(
        ["make", "--no-print-directory", "up"], cwd=checkout.root, env=dict(checkout.environ), text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    ) as child:  # fmt: skip
        assert child.stderr
        for line in child.stderr:
            if line == "...  provision\n":
                break
        soon(Backend(Places.of(checkout.root)).locked_by, "pulumi at work")
        os.killpg(child.pid, signal.SIGTERM)
        said = child.stderr.read()
    assert "interrupted; the same command goes on from here" in said
    assert "Traceback" not in said
    backend = Backend(Places.of(checkout.root))
    assert not backend.left_locked(print)  # the CLI has ended in order, though `make` has passed the signal on
    assert not backend.half_done()
    up(checkout)
