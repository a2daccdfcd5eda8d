"""How long the whole path takes, beside what the project promises. `python tests/benchmarks/bench_path.py [--compile]`.

In a copy of the repository: the first and the second `warmfleet up`; then, with the local cloud warm, preview, up and
no-change up of the plain Pulumi CLI in rounds; then what the idle local cloud costs. Prints one table with ratios; ends
with 1 if a bound is missed. `--compile` begins with an empty user cache, so that the first up also builds the Pulumi
CLI and fetches the nodes' wheels (minutes, and a network).
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from figures import Figure, report
from scratch_checkout import Checkout, scratch_checkout

from localcloud import control
from localcloud.environment import pulumi_environment
from localcloud.places import Places
from localcloud.processes import marked
from scripts.pulumi_build import cached_cli

STACK = ("--stack", "local", "--non-interactive")
IDLE_SECONDS = 20.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile", action="store_true", help="begin with an empty user cache")
    parser.add_argument("--rounds", type=int, default=3, help="of preview, up and no-change up (default: 3)")
    arguments = parser.parse_args()
    with copy(arguments.compile) as checkout:
        return report(measure(checkout, arguments.compile, arguments.rounds))


@contextlib.contextmanager
def copy(fresh_cache: bool) -> Iterator[Checkout]:
    """The copy, with its local cloud ended and its folder removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="warmfleet-bench-") as folder:
        base = {**os.environ, "XDG_CACHE_HOME": f"{folder}/cache"} if fresh_cache else dict(os.environ)
        checkout = scratch_checkout(Path(folder) / "warmfleet", base)
        if fresh_cache:
            shutil.rmtree(checkout.root / "build", ignore_errors=True)
        try:
            yield checkout
        finally:
            control.stop(checkout.root, report=lambda _: None)


def measure(checkout: Checkout, fresh_cache: bool, rounds: int) -> Iterator[Figure]:
    first = "with the CLI compiled" if fresh_cache else "with the CLI found in the user's cache"
    yield Figure(f"first warmfleet up to the end, {first}", seconds(checkout, ".venv/bin/warmfleet", "up"), 480, "s")
    yield Figure("second warmfleet up to the end", seconds(checkout, ".venv/bin/warmfleet", "up"), 30, "s")
    yield from pulumi_figures(checkout, rounds)
    yield from idle_figures(checkout.root)


def pulumi_figures(checkout: Checkout, rounds: int) -> Iterator[Figure]:
    """Medians over rounds of: nothing there, preview, up, no-change up."""
    state = control.running(checkout.root)
    assert state is not None
    cli = shutil.which("pulumi", path=checkout.environ.get("PATH")) or str(cached_cli(checkout.environ))
    environ = pulumi_environment(state, checkout.root, checkout.environ, Path(cli).parent)
    plain = Checkout(checkout.root, environ)
    previews, ups, unchanged = [], [], []
    for _ in range(rounds):
        plain.run(cli, "destroy", "--yes", "--skip-preview", *STACK)
        previews.append(seconds(plain, cli, "preview", *STACK))
        ups.append(seconds(plain, cli, "up", "--yes", "--skip-preview", *STACK))
        unchanged.append(seconds(plain, cli, "up", "--yes", "--skip-preview", "--expect-no-changes", *STACK))
    plain.run(cli, "destroy", "--yes", "--skip-preview", *STACK)
    yield Figure(f"pulumi preview of the whole stack, median of {rounds}", statistics.median(previews), 6, "s")
    yield Figure(f"pulumi up of the whole stack, median of {rounds}", statistics.median(ups), 12, "s")
    yield Figure(f"pulumi up without a change, median of {rounds}", statistics.median(unchanged), 6, "s")


def idle_figures(root: Path) -> Iterator[Figure]:
    """Memory (proportional, so that shared pages count once) and CPU of a cloud without nodes and gateways."""
    processes = [psutil.Process(each.pid) for each in marked(Places.of(root).folder)]
    before = sum(sum(each.cpu_times()[:2]) for each in processes)
    time.sleep(IDLE_SECONDS)
    busy = sum(sum(each.cpu_times()[:2]) for each in processes) - before
    memory = sum(each.memory_full_info().pss for each in processes)
    parts = ", ".join(sorted(json.dumps(each.cmdline()[2])[1:-1] for each in processes if len(each.cmdline()) > 2))
    yield Figure(f"idle memory of {len(processes)} processes", memory / 1e6, 600, "MB")
    yield Figure(f"idle CPU over {IDLE_SECONDS:.0f} s", 100 * busy / IDLE_SECONDS, 3, "% core")
    print(f"  ({parts})")


def seconds(checkout: Checkout, *command: str) -> float:
    begin = time.monotonic()
    checkout.run(*command, seconds=1200)
    return time.monotonic() - begin


if __name__ == "__main__":
    sys.exit(main())
