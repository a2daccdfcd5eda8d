"""The whole path with instances as hosts: up, rollout, faults, Ansible over ssh, down. One gateway and three nodes.

The real CLI, user data, playbooks, systemd, engine and model, in one copy of the repository. Each test leaves three
nodes on the active version.
"""

import json
import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from inference_service import contract
from localcloud import control
from localcloud.hosts.tools import missing_tools
from localcloud.places import Places
from tests.journeys.steady_load import SteadyLoad
from tests.local_fleet import LocalFleet
from tests.nodes.bundles import Bundle, changed_bundle
from tests.nodes.host import CloudsHost, left
from tests.nodes.images import build_and_promote, instances_of
from tests.nodes.test_first_boot_on_a_host import recap
from tests.scratch_checkout import ROOT, eventually, scratch_checkout

NODES = 3
soon = partial(eventually, seconds=180)

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(1500)]

TOOLS = ROOT / "build" / "ansible" / "bin"
NEEDS_ANSIBLE = pytest.mark.skipif(
    not TOOLS.is_dir(), reason="Ansible's own environment is not there; run: make build/ansible/ready"
)
UNIT = "etc/systemd/system/warmfleet-node.service"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalFleet]:
    if lacks := missing_tools():
        pytest.skip("; ".join(lacks))
    folder = tmp_path_factory.mktemp("fleet")
    checkout = scratch_checkout(folder / "warmfleet", os.environ)
    try:
        facts = json.loads(checkout.warmfleet("up", "--nodes", "hosts", "--json").stdout)
        assert facts["answer"]["text"].strip()
        made = LocalFleet(checkout, facts["model"], facts["gateway_url"], facts["api_key"], folder)
        made.scale(NODES)
        soon(lambda: made.all_serve(facts["version"]), "three warm nodes")
        yield made
    finally:
        control.stop(checkout.root, report=print)
    assert left(checkout.root) == []


def host(fleet: LocalFleet, instance_id: str) -> CloudsHost:
    return CloudsHost.of(fleet.checkout.root, instance_id)


def present(fleet: LocalFleet) -> str:
    return str(fleet.pointer()["current"])


def inits(fleet: LocalFleet) -> dict[str, int | None]:
    return {each: host(fleet, each).init() for each in fleet.reports()}


def untouched(fleet: LocalFleet, before: dict[str, dict[str, Any]], *, but: str | None = None) -> bool:
    """Whether every node but one is the process that it was, and has gone on answering."""
    after = fleet.reports()
    same = [each for each in before if each != but]
    return all(
        after[each]["pid"] == before[each]["pid"] and after[each]["answered"] >= before[each]["answered"]
        for each in same
    )


def test_up_again_changes_nothing_and_asks_again(fleet: LocalFleet) -> None:
    before = inits(fleet)
    facts = json.loads(fleet.checkout.warmfleet("up", "--json").stdout)  # without --nodes: as it is
    assert facts["answer"]["text"].strip()
    assert facts["changed"] is False
    assert inits(fleet) == before
    refused = fleet.checkout.warmfleet("up", "--nodes", "processes", check=False)
    assert refused.returncode == 64
    assert "runs with instances as hosts, not processes; first: warmfleet down" in refused.stderr


@NEEDS_ANSIBLE
def test_playbooks_over_ssh_repair_one_host_and_change_nothing_the_second_time(fleet: LocalFleet) -> None:
    altered, *others = sorted(fleet.reports())
    unit = host(fleet, altered).container.root / UNIT
    right = unit.read_text()
    unit.write_text(right.replace("NoNewPrivileges=yes\n", ""))
    (gateway,) = {*fleet_instances(fleet)} - {altered, *others}
    with SteadyLoad(fleet.url, fleet.model, fleet.key) as load:
        first = site(fleet)
        second = site(fleet)
    assert {each: recap(first, each)["failed"] for each in (altered, *others)} == dict.fromkeys((altered, *others), 0)
    assert recap(first, altered)["changed"] > 0
    assert unit.read_text() == right
    for each in (altered, *others, gateway):
        counts = recap(second, each)
        assert (counts["changed"], counts["failed"], counts["unreachable"]) == (0, 0, 0), second
    assert load.failed == []
    assert fleet.all_serve(present(fleet))


def fleet_instances(fleet: LocalFleet) -> list[str]:
    found = fleet.client("ec2").describe_instances(
        Filters=[
            {"Name": "instance-state-name", "Values": ["running"]},
            {"Name": "tag-key", "Values": [contract.TAG_ROLE]},
        ]
    )
    return [each["InstanceId"] for reservation in found["Reservations"] for each in reservation["Instances"]]


def site(fleet: LocalFleet, playbook: str = "site.yml", *options: str) -> str:
    """A playbook as an operator types it in a shell that did `warmfleet env`."""
    line = 'eval "$(.venv/bin/warmfleet env)" && cd ansible && exec ansible-playbook "$@"'
    environ = dict(fleet.checkout.environ) | {"ANSIBLE_NOCOLOR": "1", "HOME": str(fleet.folder), "LC_ALL": "C.UTF-8"}
    environ["PATH"] = f"{TOOLS}{os.pathsep}{environ['PATH']}"
    command = ["bash", "-euc", line, "bash", playbook, *options]
    return fleet.checkout.run(*command, environ=environ, check=False, seconds=600).stdout  # four hosts


def roll_out(fleet: LocalFleet, bundle: Bundle) -> str:
    """rollout.yml with a service bundle, on all nodes; what it said, in one line."""
    given = [f"rollout_service_version={bundle.version}", f"service_bundle_source={bundle.folder}", "ready_seconds=40"]
    options = ["--limit", "role_node:localhost", *(word for each in given for word in ("-e", each))]
    return " ".join(site(fleet, "rollout.yml", *options).split())


def service_versions(fleet: LocalFleet) -> dict[str, str]:
    """The service that each node runs."""
    asked = ["systemctl", "show", "-p", "Environment", "warmfleet-*.service"]
    said = {each: host(fleet, each).run(*asked) for each in fleet.reports()}
    return {each: re.findall(r"releases/([0-9a-f]{64})-", text)[0] for each, text in said.items()}


@NEEDS_ANSIBLE
def test_a_service_that_does_not_start_is_taken_back_from_the_first_host_and_no_other_is_touched(
    fleet: LocalFleet, tmp_path: Path
) -> None:
    broken = changed_bundle(fleet.checkout, tmp_path, "raise SystemExit('broken')")
    before, versions = fleet.reports(), service_versions(fleet)
    with SteadyLoad(fleet.url, fleet.model, fleet.key) as load:
        said = roll_out(fleet, broken)
        soon(lambda: fleet.all_serve(present(fleet)), "three warm nodes again")
    (canary,) = [each for each in before if f"{each} cannot serve {broken.version}" in said]
    assert "what was changed is back on" in said
    assert load.failed == []
    assert service_versions(fleet) == versions
    assert untouched(fleet, before, but=canary)


@NEEDS_ANSIBLE
def test_a_new_service_reaches_every_node_in_waves_without_a_failed_request(fleet: LocalFleet, tmp_path: Path) -> None:
    new = changed_bundle(fleet.checkout, tmp_path, "# another version")
    with SteadyLoad(fleet.url, fleet.model, fleet.key) as load:
        said = roll_out(fleet, new)
        soon(lambda: fleet.all_serve(present(fleet)), "three warm nodes")
    assert set(service_versions(fleet).values()) == {new.version}, said[-3000:]
    assert load.failed == []
    assert len(load.answers) > 0


def test_a_rebooted_node_serves_again(fleet: LocalFleet) -> None:
    node = sorted(fleet.reports())[0]
    before = host(fleet, node).init()
    host(fleet, node).run("systemd-run", "--no-block", "systemctl", "reboot")
    soon(lambda: host(fleet, node).init() not in (None, before), "another process 1")
    soon(lambda: fleet.all_serve(present(fleet)), "three nodes, one of them rebooted")
    assert node in fleet.reports()


def test_a_killed_service_is_started_again_and_ready_again(fleet: LocalFleet) -> None:
    node = sorted(fleet.reports())[0]
    before = fleet.reports()[node]["pid"]
    host(fleet, node).run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "warmfleet-node.service")

    def again() -> bool:
        return fleet.reports().get(node, {}).get("pid", before) != before and fleet.all_serve(present(fleet))

    soon(again, "the service with another process")
    assert host(fleet, node).run("systemctl", "show", "-p", "NRestarts", "warmfleet-node.service") == "NRestarts=1\n"


def test_a_corrupt_file_is_named_and_no_host_leaves_service(fleet: LocalFleet) -> None:
    active, before = fleet.pointer(), fleet.reports()
    fleet.publish_corrupt("corrupt")
    done = fleet.activate("corrupt")
    assert done.returncode == 1
    assert any(f"{each} cannot serve corrupt: NOTICE differs from its manifest" in done.stderr for each in before)
    assert fleet.pointer() == active
    assert fleet.all_serve(active["current"])
    assert untouched(fleet, before)


def test_a_failing_canary_is_restored_and_the_other_hosts_are_untouched(fleet: LocalFleet) -> None:
    active, before, booted = fleet.pointer(), fleet.reports(), inits(fleet)
    fleet.publish("unloadable", weights=b"GGUF" + bytes(4096))
    with SteadyLoad(fleet.url, fleet.model, fleet.key) as load:
        done = fleet.activate("unloadable")
    assert (done.returncode, load.failed) == (1, [])
    (canary,) = [each for each in before if f"{each} cannot serve unloadable: " in done.stderr]
    assert fleet.pointer() == active
    assert fleet.all_serve(active["current"])
    assert untouched(fleet, before, but=canary)
    assert inits(fleet) == booted


def test_a_spot_notice_drains_a_host_in_time_and_another_takes_its_place(fleet: LocalFleet) -> None:
    node = sorted(fleet.reports())[0]
    state = control.running(fleet.checkout.root)
    assert state
    body = json.dumps({"instance_id": node, "notice_seconds": 40}).encode()
    console = Places.of(fleet.checkout.root).instances / node / "stdout.log"
    told = len(console.read_text())
    with SteadyLoad(fleet.url, fleet.model, fleet.key) as load:
        with urlopen(Request(f"{state.endpoint_url}/_local/spot/interrupt", body), timeout=10) as answer:
            assert answer.status == 200
        soon(lambda: fleet.reports().get(node, {}).get("state") != contract.STATE_READY, "the end of its service")
        soon(lambda: not host(fleet, node).container.folder.exists(), "the end of its host")
        said = console.read_text()[told:]
        soon(lambda: fleet.all_serve(present(fleet)), "another node in its place")
    assert load.failed == []
    assert "warmfleet-node.service: Main process exited" not in said  # drained and stopped, not killed
    assert node not in fleet.reports()


@pytest.mark.timeout(900)
def test_an_image_is_built_and_promoted_and_every_node_is_rolled_onto_it_without_a_playbook(fleet: LocalFleet) -> None:
    image = build_and_promote(fleet)
    (listed,) = json.loads(fleet.checkout.warmfleet("image", "list", "--json").stdout)["images"]
    assert (listed["image_id"], listed["state"], listed["promoted"]) == (image, "available", True)
    fleet.checkout.warmfleet("up", "--json", seconds=600)

    def rolled() -> bool:
        made = {each["InstanceId"] for each in instances_of(fleet, image)}
        return made == set(fleet.reports()) and fleet.all_serve(present(fleet))

    soon(rolled, "three nodes of the image")
    for node, report in fleet.reports().items():
        console = (Places.of(fleet.checkout.root).instances / node / "stdout.log").read_text()
        assert "PLAY [" not in console
        assert report["warm_up_seconds"]["boot"] > 0
    builders = [{"Name": "tag-key", "Values": [contract.TAG_IMAGE_BUILDER]}]
    (builder,) = fleet.client("ec2").describe_instances(Filters=builders)["Reservations"]
    assert builder["Instances"][0]["State"]["Name"] == "terminated"


def test_down_leaves_nothing_of_hosts(fleet: LocalFleet) -> None:
    """The last one: afterwards nothing runs."""
    assert left(fleet.checkout.root) != []
    fleet.checkout.warmfleet("down")
    assert left(fleet.checkout.root) == []
    assert not (fleet.checkout.root / ".warmfleet").exists()
