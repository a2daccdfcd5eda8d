"""Many clients at a steady pace, their questions made from a seed."""

import asyncio
import random
from collections.abc import Callable

from scripts.chaos.client import Asking, ask
from scripts.chaos.ledger import Entry

LEAST_SECONDS = 20.0  # that a scenario's requests are spread over: longer than what strikes it
MOST_PER_SECOND = 8.0
AGAIN_SHARE = 0.25  # of the clients ask once more
WORDS = (40, 160)  # one to four seconds


def entries(name: str, count: int, seed: int) -> list[Entry]:
    """The same ones for the same seed. The stub engine repeats the words: the expected answer is known."""
    chance, again = random.Random(f"{seed} {name}"), random.Random(f"{seed} {name} again")
    made = []
    for number in range(count):
        words = " ".join(f"w{chance.randrange(10_000)}" for _ in range(chance.randint(*WORDS)))
        key, text = f"{name}-{seed}-{number}", f"{name}-{number} {words}"
        made.append(Entry(key, text, stream=number % 2 == 0, again=again.random() < AGAIN_SHARE))
    return made


async def run(asking: Asking, made: list[Entry], done: Callable[[], None]) -> None:
    """Ask all of them; `done` is called for each answer."""
    pace = max(LEAST_SECONDS / max(1, len(made)), 1 / MOST_PER_SECOND)

    async def one(number: int, entry: Entry) -> None:
        await asyncio.sleep(number * pace)
        await ask(asking, entry, number)
        done()

    async with asyncio.TaskGroup() as group:
        for number, entry in enumerate(made):
            group.create_task(one(number, entry))
