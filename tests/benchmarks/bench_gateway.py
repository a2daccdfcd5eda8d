"""What a streamed token costs the gateway, beside others in the same run. `python tests/benchmarks/bench_gateway.py`.

64 streams at 100 tokens a second each, in rounds that take turns: machines drift, ratios within a round do not. nginx
relays with buffering off and parses nothing; the gateway also cuts the node's extension off each event and remembers
the tokens, to go on with them elsewhere; `direct` has no relay, and LiteLLM gets 8 streams, more than which it does not
keep up with. Bounds: 3.0 times nginx's CPU, and 15 ms more than `direct` until the first token, p99. Prints one table;
ends with 0, with 1 above a bound, with 0 and a reason where nginx is not installed.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from relays import HERE, HOST, LITELLM, Relay, gateway_relay, litellm_relay, nginx, nginx_relay, upstream

STREAMS, LITELLM_STREAMS, TOKEN_SECONDS = 64, 8, 0.01
MOST_TIMES_NGINX, MOST_ADDED_SECONDS = 3.0, 0.015


@dataclass(frozen=True)
class Round:
    """What one round of one relay cost: microseconds of CPU per token, seconds until each stream's first event."""

    microseconds: float
    firsts: tuple[float, ...]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=4)
    options.add_argument("--seconds", type=float, default=4.0, help="length of one round")
    given = options.parse_args()
    if not (program := nginx()):
        print("gateway benchmark skipped: nginx, its yardstick, is not installed (apt-get install nginx-light)")
        return 0
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warmfleet-bench-")))
        tokens = int(given.seconds / TOKEN_SECONDS)
        node_port = stack.enter_context(upstream(tokens, TOKEN_SECONDS))
        relays = {
            "direct": Relay(HOST, node_port, None),
            "nginx": stack.enter_context(nginx_relay(program, folder, node_port)),
            "gateway": stack.enter_context(gateway_relay(node_port)),
        }
        if LITELLM.exists():
            relays["LiteLLM"] = stack.enter_context(litellm_relay(folder, node_port))
        return report(in_turns(relays, given.rounds, tokens))


def in_turns(relays: dict[str, Relay], rounds: int, tokens: int) -> dict[str, list[Round]]:
    for name, relay in relays.items():
        measure(name, relay, tokens)  # connections, caches and lazy imports are nobody's cost per token
    found: dict[str, list[Round]] = {name: [] for name in relays}
    for _ in range(rounds):
        for name, relay in relays.items():
            found[name].append(measure(name, relay, tokens))
    return found


def measure(name: str, relay: Relay, tokens: int) -> Round:
    streams = LITELLM_STREAMS if name == "LiteLLM" else STREAMS
    before = relay.cpu_seconds() if relay.process else 0.0
    command = [sys.executable, str(HERE / "sse_clients.py"), relay.host, str(relay.port), str(streams)]
    seen = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=120).stdout)
    spent = relay.cpu_seconds() - before if relay.process else 0.0
    if (seen["events"], seen["complete"]) < (streams * tokens, streams):
        raise SystemExit(f"{name} lost events: {seen['events']} of {streams * tokens}, {seen['complete']} complete")
    return Round(1e6 * spent / (streams * tokens), tuple(seen["firsts"]))


def report(rounds: dict[str, list[Round]]) -> int:
    print(f"{STREAMS} streams (LiteLLM {LITELLM_STREAMS}), {1 / TOKEN_SECONDS:.0f} tokens a second each, in turns")
    print(f"{'':10}{'CPU us/token':>24}{'first event ms':>24}")
    print(f"{'':10}{'least':>12}{'median':>12}{'median':>12}{'p99':>12}")
    for name, each in rounds.items():
        costs = [one.microseconds for one in each]
        spent = f"{min(costs):12.1f}{statistics.median(costs):12.1f}" if any(costs) else f"{'-':>12}{'-':>12}"
        print(f"{name:10}{spent}{1e3 * statistics.median(firsts(each)):12.1f}{1e3 * p99(firsts(each)):12.1f}")
    pairs = zip(rounds["gateway"], rounds["nginx"], strict=True)
    ratio = statistics.median(ours.microseconds / theirs.microseconds for ours, theirs in pairs)
    added = p99(firsts(rounds["gateway"])) - p99(firsts(rounds["direct"]))
    print(f"gateway / nginx, median of the rounds: {ratio:.2f} (at most {MOST_TIMES_NGINX})")
    print(f"first event, p99, more than direct: {1e3 * added:.1f} ms (at most {1e3 * MOST_ADDED_SECONDS:.0f})")
    return 0 if ratio <= MOST_TIMES_NGINX and added <= MOST_ADDED_SECONDS else 1


def firsts(rounds: list[Round]) -> list[float]:
    return [first for one in rounds for first in one.firsts]


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


if __name__ == "__main__":
    sys.exit(main())
