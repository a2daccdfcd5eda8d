"""Runs scenarios one after another on one fleet: clients ask, something strikes, the ledger is summed up."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.error import URLError

import aiohttp

from inference_service import contract
from scripts.chaos import jobs, load, view
from scripts.chaos.client import Asking
from scripts.chaos.fleet import GATEWAYS, MODEL, NODES, Fleet, eventually
from scripts.chaos.ledger import Counts, Entry, counts
from scripts.chaos.scenarios import SCENARIOS, WITHOUT_S3, Strike

BEFORE_STRIKE_SECONDS = 2.0
LOOK_SECONDS = 0.5


@dataclass
class Watched:
    """Gateways that answer, and how many streams each has resumed: looked up again and again, beside everything."""

    fleet: Fleet
    urls: list[str] = field(default_factory=list)
    resumed: Counter[str] = field(default_factory=Counter)

    async def follow(self) -> None:
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        self.urls = view.gateways(self.fleet)
        for url in self.urls:
            with suppress(URLError, OSError):
                self.resumed[url] = max(self.resumed[url], view.resumed(url))


def settle(fleet: Fleet) -> None:
    """Wait until the whole fleet is warm and every gateway knows it."""
    eventually(lambda: len(view.gateways(fleet)) == GATEWAYS, f"{GATEWAYS} gateways")
    eventually(lambda: fleet.in_service(contract.ROLE_NODE) == NODES, f"{NODES} nodes in service")
    eventually(lambda: len(view.warm(fleet)) >= NODES, f"{NODES} warm nodes")
    eventually(
        lambda: sum(bool(each["routable"]) for each in view.described(fleet)) >= NODES, "nodes that every gateway knows"
    )
    fleet.ended.clear()


async def scenario(
    fleet: Fleet, name: str, requests: int, count: int, seed: int, say: Callable[[str], None]
) -> tuple[Counts, list[Entry]]:
    """One of SCENARIOS under load: so many requests, and `count` jobs."""
    made, watched = load.entries(name, requests, seed), Watched(fleet)
    queued = load.entries(f"{name}-job", count, seed)
    strike, answered = Strike(fleet, random.Random(f"{seed} {name} strike")), 0
    await asyncio.to_thread(watched.look)

    def done() -> None:
        nonlocal answered
        answered += 1
        say(f"{answered} of {requests} answered")

    before = Counter(watched.resumed)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as http:
        asking = Asking(
            http,
            MODEL,
            lambda: watched.urls,
            lambda url: _struck(fleet, url),
            time.monotonic,
            keys_are_shared=name not in WITHOUT_S3,
        )
        following = asyncio.create_task(watched.follow())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(load.run(asking, made, done))
                group.create_task(asyncio.to_thread(jobs.send, fleet, queued))
                group.create_task(_strike(strike, name))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    await asyncio.to_thread(jobs.collect, fleet, queued)
    await asyncio.to_thread(watched.look)
    resumed = sum((watched.resumed - before).values())
    return counts([*made, *queued], resumed, strike.unready, strike.gone, jobs=count), made


async def _strike(strike: Strike, name: str) -> None:
    await asyncio.sleep(BEFORE_STRIKE_SECONDS)
    await asyncio.to_thread(SCENARIOS[name], strike)


def _struck(fleet: Fleet, url: str) -> bool:
    return any(f"//{address}:" in url for address in fleet.ended)


def shares(requests: int, names: Sequence[str]) -> dict[str, int]:
    """The requests of each scenario: evenly, the first ones take what remains."""
    each, more = divmod(requests, len(names))
    return {name: each + (place < more) for place, name in enumerate(names)}
