"""How long hosts boot until their service starts, what playbooks take on three, and what a rollout costs clients.

`python tests/benchmarks/bench_hosts.py`, as root, on the local cloud with hosts. Prints one table with ratios; ends
with 1 if a bound is missed. Boots are the node's own measure (`boot` in its readiness report). Playbooks come over ssh
as an operator types them, and need `make build/ansible/ready`.
"""

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from figures import Figure, report

from localcloud import control
from localcloud.hosts.tools import missing_tools
from tests.journeys.steady_load import SteadyLoad
from tests.local_fleet import LocalFleet
from tests.nodes.bundles import changed_bundle
from tests.nodes.images import build_and_promote, instances_of
from tests.nodes.test_fleet_of_hosts import NODES, TOOLS, roll_out, service_versions, site
from tests.scratch_checkout import eventually, scratch_checkout

MOST_BAKED_SECONDS, MOST_UNBAKED_SECONDS = 10, 120
MOST_TASK_SECONDS = 1.0
ROLLED_SECONDS = 300.0


def main() -> int:
    if lacks := missing_tools():
        print(f"not measured: {'; '.join(lacks)}")
        return 0
    with tempfile.TemporaryDirectory(prefix="warmfleet-bench-") as folder:
        checkout = scratch_checkout(Path(folder, "warmfleet"), os.environ)
        try:
            facts = json.loads(checkout.warmfleet("up", "--nodes", "hosts", "--json").stdout)
            fleet = LocalFleet(checkout, facts["model"], facts["gateway_url"], facts["api_key"], Path(folder))
            return report(measure(fleet))
        finally:
            control.stop(checkout.root, report=print)


def measure(fleet: LocalFleet) -> Iterator[Figure]:
    fleet.scale(NODES)
    version = fleet.pointer()["current"]
    eventually(lambda: fleet.all_serve(version), "three warm nodes", ROLLED_SECONDS)
    yield Figure("boot to service started, public image", boot_seconds(fleet), MOST_UNBAKED_SECONDS, "s")
    if TOOLS.is_dir():
        yield from changes(fleet)
    else:
        print("playbooks not measured: run make build/ansible/ready")
    image = build_and_promote(fleet)
    fleet.checkout.warmfleet("up", "--json", seconds=600)

    def rolled() -> bool:
        nodes = fleet.reports()
        made = {each["InstanceId"] for each in instances_of(fleet, image)}
        return made == set(nodes) and fleet.all_serve(version)

    eventually(rolled, "three nodes of the image", ROLLED_SECONDS)
    yield Figure("boot to service started, baked image", boot_seconds(fleet), MOST_BAKED_SECONDS, "s")


def changes(fleet: LocalFleet) -> Iterator[Figure]:
    """A playbook with nothing to do, then a new version of the service under load, host by host."""
    site(fleet)  # the first run fetches what Ansible keeps between runs
    began = time.monotonic()
    said = site(fleet, "site.yml", "--limit", "role_node")
    seconds = time.monotonic() - began
    tasks = sum(int(count) for count in re.findall(r": ok=(\d+) +changed=0 ", said))
    if len(re.findall(r": ok=\d+ +changed=0 .* failed=0 ", said)) != NODES:
        raise SystemExit(f"site.yml had something to do, or failed:\n{said[-3000:]}")
    yield Figure(f"site.yml with nothing to do, {NODES} hosts, a task", seconds / tasks, MOST_TASK_SECONDS, "s")
    new = changed_bundle(fleet.checkout, fleet.folder, "# another version")
    with SteadyLoad(fleet.url, fleet.model, fleet.key) as load:
        said = roll_out(fleet, new)
        eventually(lambda: fleet.all_serve(fleet.pointer()["current"]), "three warm nodes", ROLLED_SECONDS)
    if set(service_versions(fleet).values()) != {new.version}:
        raise SystemExit(f"the new service did not reach every host:\n{said[-3000:]}")
    asked = load.answers.total() + len(load.failed)
    yield Figure(f"failed of {asked} requests, a new service on {NODES} hosts", len(load.failed), 0, "")


def boot_seconds(fleet: LocalFleet) -> float:
    """The slowest node's."""
    return max(float(each["warm_up_seconds"]["boot"]) for each in fleet.reports().values())


if __name__ == "__main__":
    sys.exit(main())
