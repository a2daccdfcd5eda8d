"""What open streams and many requests cost the gateway in memory. `python tests/benchmarks/bench_streams.py`.

2,000 streams are open at once in one gateway process, under 300 MB; then, in a process of its own, 100,000 short ones
one after another, after which it is as large as after the first fifth of them. Prints one table; ends with 1 if a bound
is missed.
"""

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

from figures import Figure, report
from relays import HERE, Relay, gateway_relay, upstream

OPEN_STREAMS, OPEN_TOKENS, OPEN_TOKEN_SECONDS = 2000, 20, 1.0
MOST_MIB = 300 * 1e6 / 2**20
SHORT_TOKENS, AT_ONCE, PARTS = 5, 200, 5
MOST_GROWTH_PERCENT = 5.0
LOOK_SECONDS = 0.2


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--requests", type=int, default=100_000, help="short ones, in all")
    given = options.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # two sockets for each stream; child processes inherit it
    return report(figures(given.requests))


def figures(requests: int) -> Iterator[Figure]:
    with upstream(OPEN_TOKENS, OPEN_TOKEN_SECONDS) as node_port, gateway_relay(node_port) as relay:
        alone = relay.resident_mib()
        most = most_resident_mib(relay, clients(relay, OPEN_STREAMS), OPEN_STREAMS * OPEN_TOKENS)
        yield Figure(f"{OPEN_STREAMS} open streams, resident (without any {alone:.0f})", most, MOST_MIB, "MiB")
    with upstream(SHORT_TOKENS, 0) as node_port, gateway_relay(node_port) as relay:
        times = requests // AT_ONCE // PARTS
        sizes = [size_after(relay, times) for _ in range(PARTS)]
        done = PARTS * times * AT_ONCE
        what = f"growth from request {done // PARTS:,} ({sizes[0]:.0f} MiB) to {done:,}"
        yield Figure(what, 100 * (sizes[-1] / sizes[0] - 1), MOST_GROWTH_PERCENT, "%")


def clients(relay: Relay, streams: int, times: int = 1) -> "subprocess.Popen[str]":
    command = [sys.executable, str(HERE / "sse_clients.py"), relay.host, str(relay.port), str(streams), str(times)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def most_resident_mib(relay: Relay, asking: "subprocess.Popen[str]", events: int) -> float:
    most = 0.0
    while asking.poll() is None:
        most = max(most, relay.resident_mib())
        time.sleep(LOOK_SECONDS)
    complete(asking, events)
    return most


def size_after(relay: Relay, times: int) -> float:
    complete(clients(relay, AT_ONCE, times), AT_ONCE * SHORT_TOKENS * times)
    return relay.resident_mib()


def complete(asking: "subprocess.Popen[str]", events: int) -> None:
    with contextlib.closing(asking.stdout) as output:  # type: ignore[type-var]
        seen = json.loads(output.read())
    if asking.wait() or seen["events"] != events:
        raise SystemExit(f"the gateway lost events: {seen['events']} of {events}")


if __name__ == "__main__":
    sys.exit(main())
