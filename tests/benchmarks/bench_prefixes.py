"""Prefix routing on a real conversation trace: how much of the prompts the chosen nodes' caches hold.

    python tests/benchmarks/bench_prefixes.py conversation_trace.jsonl.xz

The trace is Mooncake's (https://github.com/kvcache-ai/Mooncake, FAST'25): requests with token counts, and a number for
each 512 tokens of a prompt that says what all text up to there is. Requests are routed by the gateway's own `Fleet`;
nodes are simulated: slots, a cache of the most recent blocks, and time for what it lacks.
"""

import heapq
import itertools
import json
import lzma
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from inference_service import contract
from inference_service.gateway.discovery import FoundNode
from inference_service.gateway.fleet import Fleet
from inference_service.gateway.prefixes import BLOCK_BYTES, MOST_BLOCKS_OF_A_PROMPT
from inference_service.gateway.work import BYTES_PER_TOKEN, Work

MODEL = "m"
NODES, SLOTS = 12, 32
TOKENS_OF_A_HASH = 512
CACHE_TOKENS = 1_000_000  # of a node's attention state: 8B at 8-bit in what a GPU of 80 GB has left, about
PROMPT_TOKENS_A_SECOND, ANSWER_TOKENS_A_SECOND = 8_000.0, 40.0  # round figures: only loads depend on them
BLOCKS_OF_A_HASH = TOKENS_OF_A_HASH * BYTES_PER_TOKEN // BLOCK_BYTES


@dataclass(frozen=True)
class Request:
    """One line of the trace; `hashes` are cut to whole ones."""

    at: float
    prompt_tokens: int
    answer_tokens: int
    hashes: tuple[int, ...]

    def work(self) -> Work:
        """As the gateway knows a request: its text's blocks, and no limit on the answer."""
        blocks = itertools.chain.from_iterable(
            range(each * BLOCKS_OF_A_HASH, (each + 1) * BLOCKS_OF_A_HASH) for each in self.hashes
        )
        return Work(self.prompt_tokens * BYTES_PER_TOKEN, tuple(blocks)[:MOST_BLOCKS_OF_A_PROMPT])


class Cache:
    """The prefixes that an engine holds: the least recently used hash goes first. `most` None: it forgets nothing."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._hashes: OrderedDict[int, None] = OrderedDict()

    def hit_tokens(self, request: Request) -> int:
        """How many of the prompt's tokens it has; afterwards it has them all."""
        known = next((place for place, each in enumerate(request.hashes) if each not in self._hashes), None)
        hits = len(request.hashes) if known is None else known
        for each in reversed(request.hashes):
            self._hashes[each] = None
            self._hashes.move_to_end(each)
        while self._most is not None and len(self._hashes) > self._most:
            self._hashes.popitem(last=False)
        return hits * TOKENS_OF_A_HASH


@dataclass(frozen=True)
class Outcome:
    """`share`: of all prompt tokens, those found in a cache. `busiest`: most requests at once on one node."""

    share: float
    busiest: int


Route = Callable[[Fleet, Request], str]


def by_prefix(fleet: Fleet, request: Request) -> str:
    return _chosen(fleet, request.work())


def by_load(fleet: Fleet, request: Request) -> str:
    """The same without knowing any prefix."""
    return _chosen(fleet, Work(request.prompt_tokens * BYTES_PER_TOKEN))


def round_robin() -> Route:
    turns = itertools.cycle(range(NODES))
    return lambda fleet, request: f"i-{next(turns)}"


def _chosen(fleet: Fleet, work: Work) -> str:
    view = fleet.choose(MODEL, (), work)
    assert view is not None  # all are ready
    return view.found.instance_id


def replay(
    requests: Sequence[Request], route: Route, nodes: int = NODES, cache_tokens: int | None = CACHE_TOKENS
) -> Outcome:
    """Send every request at its time to the node that `route` names."""
    now, running, busiest, hits = 0.0, list[tuple[float, int, ExitStack]](), 0, 0
    fleet = Fleet(lambda: now)
    fleet.found([FoundNode(f"i-{place}", f"10.0.0.{place}", "a", "spot", MODEL) for place in range(nodes)])
    report = {"model": MODEL, "state": contract.STATE_READY, "version": "v1", "slots": SLOTS, "in_flight": 0}
    for name in fleet.nodes:
        fleet.reported(name, report | {"instance_id": name})
    most = None if cache_tokens is None else cache_tokens // TOKENS_OF_A_HASH
    caches = {name: Cache(most) for name in fleet.nodes}
    for number, request in enumerate(requests):
        now = request.at
        while running and running[0][0] <= now:
            heapq.heappop(running)[2].close()
        name = route(fleet, request)
        stack = ExitStack()
        stack.enter_context(fleet.request_to(fleet.nodes[name], request.work()))
        hit = caches[name].hit_tokens(request)
        hits, busiest = hits + min(hit, request.prompt_tokens), max(busiest, fleet.in_flight[name])
        fleet.usual.learn(MODEL, request.answer_tokens)
        seconds = (
            request.prompt_tokens - hit
        ) / PROMPT_TOKENS_A_SECOND + request.answer_tokens / ANSWER_TOKENS_A_SECOND
        heapq.heappush(running, (now + seconds, number, stack))
    return Outcome(hits / sum(each.prompt_tokens for each in requests), busiest)


def read(path: Path) -> Iterator[Request]:
    with lzma.open(path, "rt") as lines:
        for line in lines:
            row = json.loads(line)
            whole = row["input_length"] // TOKENS_OF_A_HASH
            yield Request(
                row["timestamp"] / 1000, row["input_length"], row["output_length"], tuple(row["hash_ids"][:whole])
            )


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or not Path(arguments[0]).is_file():
        given = " ".join(arguments) or "(no path given)"
        print(f"skipped: no trace at {given}; Mooncake's conversation_trace.jsonl.xz is needed")
        return 0
    requests = list(read(Path(arguments[0])))
    rows = {
        "prefix routing, as the gateway does": replay(requests, by_prefix),
        "the same without prefixes": replay(requests, by_load),
        "round robin": replay(requests, round_robin()),
        "one unbounded cache for all": replay(requests, lambda *_: "i-0", nodes=1, cache_tokens=None),
    }
    print(f"{len(requests)} requests, {NODES} nodes of {SLOTS} slots, {CACHE_TOKENS} tokens of cache each")
    for title, outcome in rows.items():
        share = f"{outcome.share:>8.1%} of prompt tokens in a cache"
        print(f"{title:<40}{share}, {outcome.busiest:>5} at once on one node at most")
    ours, blind = rows["prefix routing, as the gateway does"], rows["round robin"]
    return 0 if ours.share > blind.share else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
