"""How long an environment takes to look at and to test. `python tests/benchmarks/bench_stacks.py [--rounds N]`.

The preview of prod with the real CLI, the local cloud warm; and the program of each stack file as stack tests run it:
against moto through the provider's handlers, and against mocks that echo. Prints one table of medians with ratios; ends
with 1 if a bound is missed.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
from figures import Figure, report
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks

from infra import stack
from infra.settings import StackSettings
from localcloud.aws.in_process import local_aws
from localcloud.provider.mocks import MotoMocks
from localcloud.provider.values import Properties
from tests.cloud.world import stack_file
from tests.stacks.program import ROOT, run, stack_settings

RESOURCES = 1000
FILES = sorted(ROOT.glob("Pulumi.*.yaml"))


class Echo(Mocks):
    """Answers what it was given, and made-up names; functions as on moto, since the program decides by them."""

    def __init__(self, functions: Mocks) -> None:
        self._functions = functions

    def new_resource(self, args: MockResourceArgs) -> tuple[str, Properties]:
        made = {each: f"{each}-{args.name}" for each in ("arn", "url", "name", "arnSuffix", "dnsName", "bucket")}
        return f"{args.name}-id", {**made, "latestVersion": 1, **args.inputs}

    def call(self, args: MockCallArgs) -> tuple[Properties, list[tuple[str, str]]]:
        answer: tuple[Properties, list[tuple[str, str]]] = self._functions.call(args)
        return answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="of each measurement (default: 3)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="warmfleet-bench-") as folder:
        return report(measure(Path(folder), rounds))


def measure(folder: Path, rounds: int) -> Iterator[Figure]:
    yield from previews(folder, rounds)
    bundle = folder / "service"
    bundle.mkdir()
    (bundle / "bundle.tar.gz").write_bytes(b"wheels")
    (bundle / "manifest.json").write_text(json.dumps({"format": 1}))
    for path in FILES:
        given = stack_settings(path)
        yield Figure(f"{path.name} on moto, median of {rounds}", median(rounds, on_moto, given, bundle), 12, "s")
        yield Figure(f"{path.name} on echo mocks, median of {rounds}", median(rounds, on_echo, given, bundle), 2, "s")


def previews(folder: Path, rounds: int) -> Iterator[Figure]:
    """Without and with the policy pack in turn; then the same resources, many times over, offline."""
    with local_aws() as aws, stack_file("prod", folder / "checkout", aws) as prod:
        prod.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # on most machines Python keeps what it has compiled
        prod.run("preview")  # the first one loads what a warm cloud has loaded
        plain, judged = [], []
        for _ in range(rounds):
            plain.append(seconds(lambda: prod.run("preview")))
            judged.append(seconds(lambda: prod.run("preview", "--policy-pack", "infra/policies")))
        said = prod.run("preview", "--json")
        file = folder / "resources.json"
        file.write_text(json.dumps(many(json.loads(said[said.index("{") :])["steps"])))
        # So many fleets in one stack cost more than its limit, which is a finding.
        prod.warmfleet("check", str(file), code=1)
        checks = [seconds(lambda: prod.warmfleet("check", str(file), "--json", code=1)) for _ in range(rounds)]
    without, added = statistics.median(plain), statistics.median(judged) - statistics.median(plain)
    yield Figure(f"pulumi preview of prod, median of {rounds}", without, 12, "s")
    yield Figure("what the policy pack adds to it", added, 3, "s")
    yield Figure(f"warmfleet check of {RESOURCES} resources, median of {rounds}", statistics.median(checks), 2, "s")


def many(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A list for `check`: the resources of a preview again and again, each time with other names."""
    states = [each["newState"] for each in steps if each["newState"].get("custom")]
    states = [each for each in states if each["type"].startswith("aws:")]
    return [
        {
            "type": state["type"],
            "name": f"{state['urn'].rpartition('::')[2]}-{number}",
            "props": state.get("inputs", {}),
            "propertyDependencies": {
                key: [f"{urn.rpartition('::')[2]}-{number}" for urn in urns or ()]
                for key, urns in (state.get("propertyDependencies") or {}).items()
            },
        }
        for number in range(-(-RESOURCES // len(states)))
        for state in states
    ][:RESOURCES]


def on_moto(given: StackSettings, bundle: Path) -> float:
    with local_aws("127.77") as aws:
        return seconds(lambda: run(aws, given, bundle))


def on_echo(given: StackSettings, bundle: Path) -> float:
    with local_aws("127.77") as aws:
        mocks = Echo(MotoMocks(aws.client))
        pulumi.runtime.set_mocks(mocks, project="warmfleet", stack=given.environment)
        return seconds(pulumi.runtime.test(lambda: stack.build(given, bundle) and None))


def median(rounds: int, measured: Callable[[StackSettings, Path], float], given: StackSettings, bundle: Path) -> float:
    return statistics.median(measured(given, bundle) for _ in range(rounds))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
