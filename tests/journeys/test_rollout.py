"""A version rolls out over three nodes while clients ask, and each thing that may go wrong leaves the active one.

The real CLI, engine, processes and model, in one copy of the repository. Each test publishes a version of its own and
leaves every node on the active one.
"""

import json
import os
import signal
from collections.abc import Iterator
from functools import partial

import pytest
from scratch_checkout import eventually, scratch_checkout
from steady_load import SteadyLoad

from localcloud import control
from localcloud.places import Places
from localcloud.processes import marked
from tests.local_fleet import LocalFleet

soon = partial(eventually, seconds=90)
NODES = 3

pytestmark = [pytest.mark.journey, pytest.mark.failures, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalFleet]:
    folder = tmp_path_factory.mktemp("rollout")
    checkout = scratch_checkout(folder / "warmfleet", os.environ)
    try:
        facts = json.loads(checkout.warmfleet("up", "--json").stdout)
        made = LocalFleet(checkout, facts["model"], facts["gateway_url"], facts["api_key"], folder)
        made.scale(NODES)
        soon(lambda: made.all_serve(facts["version"]), "three warm nodes")
        yield made
    finally:
        control.stop(checkout.root, report=print)
    assert list(marked(Places.of(checkout.root).folder)) == []


def test_a_version_rolls_out_node_by_node_and_no_client_notices(stack: LocalFleet) -> None:
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


def test_a_corrupt_file_is_named_with_its_node_and_no_node_leaves_service(stack: LocalFleet) -> None:
    active, before = stack.pointer(), stack.reports()
    stack.publish_corrupt("corrupt")
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


def test_weights_that_do_not_load_take_one_node_out_and_it_returns_from_its_disk(stack: LocalFleet) -> None:
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


def test_ctrl_c_sets_the_wave_back(stack: LocalFleet) -> None:
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


def test_a_run_that_was_killed_is_gone_on_with_and_no_other_version_comes_between(stack: LocalFleet) -> None:
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


def test_the_only_node_changes_while_its_clients_wait(stack: LocalFleet) -> None:
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
