"""Asks by a profile: so many clients one after another, or so many requests a second whatever the answers do."""

import asyncio
import itertools
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from scripts.chaos.client import Asking, ask
from scripts.chaos.ledger import Entry
from scripts.load.profile import Profile
from scripts.load.tally import Tally

STEP_SECONDS = 0.25  # in which the number of clients follows the profile


@dataclass(frozen=True)
class Wanted:
    """One of the two profiles."""

    clients: Profile | None = None
    rate: Profile | None = None

    @property
    def profile(self) -> Profile:
        found = self.clients or self.rate
        assert found  # the command refuses neither and both
        return found


class Load:
    """One run. `tally` is right at every moment, also after the run was cancelled."""

    def __init__(self, asking: Asking, wanted: Wanted, say: Callable[[str], None]) -> None:
        self.tally = Tally()
        self._asking, self._wanted, self._say = asking, wanted, say
        self._run, self._numbers = uuid.uuid4().hex[:8], itertools.count()
        self._began = asking.clock()
        self._open: set[asyncio.Task[None]] = set()

    @property
    def seconds(self) -> float:
        return self._asking.clock() - self._began

    async def run(self) -> None:
        """To the end of the profile, and of the answers that are under way then."""
        self._began = self._asking.clock()
        try:
            await (self._by_clients() if self._wanted.clients else self._by_rate())
            while self._open:
                self._tell()
                await asyncio.wait(self._open, timeout=1.0)
        finally:
            await self._abandon()

    async def _by_clients(self) -> None:
        profile, clients = self._wanted.profile, dict[int, asyncio.Task[None]]()
        while (now := self.seconds) < profile.seconds:
            for place in range(int(profile.level(now))):
                if place not in clients or clients[place].done():
                    clients[place] = self._kept(self._client(place))
            self._tell()
            await asyncio.sleep(STEP_SECONDS)

    async def _client(self, place: int) -> None:
        """One request after another, while the profile wants more clients than `place`."""
        while self._wanted.profile.level(self.seconds) > place:
            await self._one()

    async def _by_rate(self) -> None:
        for moment in self._wanted.profile.arrivals():
            while (left := moment - self.seconds) > 0:
                await asyncio.sleep(min(left, STEP_SECONDS))
                self._tell()
            self._kept(self._one())
        while (left := self._wanted.profile.seconds - self.seconds) > 0:
            await asyncio.sleep(min(left, STEP_SECONDS))
            self._tell()

    async def _one(self) -> None:
        number = next(self._numbers)
        entry = Entry(f"load-{self._run}-{number}", f"Say hello to guest number {number}.", stream=True)
        self.tally.asked += 1
        await ask(self._asking, entry, number)
        self.tally.add(entry)

    def _kept(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        return task

    def _tell(self) -> None:
        level = self._wanted.profile.level(self.seconds)
        unit = "clients" if self._wanted.clients else "requests/s"
        self._say(
            f"{self.seconds:.0f} of {self._wanted.profile.seconds:.0f} s: {level:g} {unit}; {self.tally.in_short()}"
        )

    async def _abandon(self) -> None:
        """End what is still open: nothing, unless a person ends the load."""
        left = [task for task in self._open if not task.done()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        self.tally.abandoned = self.tally.open
