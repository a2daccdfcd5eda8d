"""How long hosts boot until their service starts, from the public image and from a baked one.

`python tests/benchmarks/bench_image.py`, as root, on the local cloud with hosts. Prints one table with ratios; ends
with 1 if a bound is missed. The phase is the node's own measure (`boot` in its readiness report).
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from figures import Figure, report

from localcloud import control
from localcloud.hosts.tools import missing_tools
from tests.local_fleet import LocalFleet
from tests.nodes.images import build_and_promote, instances_of
from tests.scratch_checkout import eventually, scratch_checkout

MOST_BAKED_SECONDS, MOST_UNBAKED_SECONDS = 10, 120
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
    yield Figure("boot to service started, public image", boot_seconds(fleet), MOST_UNBAKED_SECONDS, "s")
    image = build_and_promote(fleet)
    fleet.checkout.warmfleet("up", "--json", seconds=600)

    def rolled() -> bool:
        nodes = fleet.reports()
        made = {each["InstanceId"] for each in instances_of(fleet, image)}
        return bool(nodes) and made == set(nodes) and fleet.all_serve(fleet.pointer()["current"], len(nodes))

    eventually(rolled, "the node of the image", ROLLED_SECONDS)
    yield Figure("boot to service started, baked image", boot_seconds(fleet), MOST_BAKED_SECONDS, "s")


def boot_seconds(fleet: LocalFleet) -> float:
    """The slowest node's."""
    return max(float(each["warm_up_seconds"]["boot"]) for each in fleet.reports().values())


if __name__ == "__main__":
    sys.exit(main())
