"""Looks at the fleet, has decision.py decide, and writes the pointer: the I/O of a rollout."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from inference_service.artifacts import ArtifactError, Pointer, VersionRef
from scripts.exit_codes import CommandError
from scripts.gateway_client import GatewayError
from scripts.progress import Step as Shown
from scripts.progress import Steps
from scripts.rollout.decision import GiveUp, Promote, Raise, Step, Wait, next_step, split
from scripts.rollout.history import History, seen
from scripts.rollout.member import Member, members, names

POLL_SECONDS = 0.5


class Pointers(Protocol):
    """The one pointer of the model. `write` fails if it is no longer as read or written last."""

    def read(self) -> Pointer: ...

    def write(self, pointer: Pointer) -> None: ...


class TakenOverError(CommandError):
    """Somebody else has changed the pointer: it is theirs now."""


class _GivenUpError(Exception):
    """The candidate is not to be served; the text says why."""


@dataclass(frozen=True)
class Wave:
    """One step that succeeded."""

    percent: int
    nodes: tuple[str, ...]
    seconds: float


@dataclass
class Rollout:
    """One run of a rollout. `pointer` is as read last; `look` gives the gateway's description of its nodes."""

    model: str
    candidate: VersionRef
    pointer: Pointer
    pointers: Pointers
    look: Callable[[], Iterable[Mapping[str, Any]]]
    history: History
    steps: Steps
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    waves: list[Wave] = field(default_factory=list)
    _touched: set[str] = field(default_factory=set)  # nodes that were under the wave
    _writing: Pointer | None = None  # what an interrupted write may have written

    def run(self) -> Pointer:
        """Serve the candidate everywhere, or leave everything as it was.

        Raises:
            CommandError: the current version stays; why, and what to do.
            TakenOverError: nothing was set back, the pointer is somebody else's.
        """
        try:
            self._step_by_step()
            return self.pointer
        except TakenOverError:
            raise
        except KeyboardInterrupt:
            reason = "it was interrupted; the same command begins again"
        except (_GivenUpError, ArtifactError, CommandError) as error:
            reason = str(error)
        raise CommandError(self._go_back(reason))  # outside the handler: a Ctrl-C that was dealt with is no news

    def _step_by_step(self) -> None:
        with self.steps.step("look") as shown:
            decided = self._decided(shown)
            shown.result = f"{self.history.traffic} answers in flight"
        while isinstance(decided, Raise):
            began, wave = self.clock(), decided
            with self.steps.step(wave.title) as shown:
                self._touched |= set(wave.nodes)
                self._write(self.pointer.raised(self.candidate, wave.percent))
                decided = self._decided(shown)
                shown.result = f"{', '.join(wave.nodes)} serves {self.candidate.version}"
            self.waves.append(Wave(wave.percent, wave.nodes, round(self.clock() - began, 3)))
        with self.steps.step("promote") as shown:
            self._write(self._aimed().promoted())
            shown.result = f"{self.candidate.version} is active"

    def _decided(self, shown: Shown) -> Raise | Promote:
        """The next step that changes something. Raises _GivenUpError instead of giving a GiveUp."""
        while True:
            step = self._decide()
            if isinstance(step, GiveUp):
                raise _GivenUpError(step.reason)
            if not isinstance(step, Wait):
                return step
            shown.say(step.reason)
            self.sleep(POLL_SECONDS)

    def _decide(self) -> Step:
        self._unless_taken_over(self.pointers.read())
        nodes, aimed, now = self._nodes(), self._aimed(), self.clock()
        self.history = seen(self.history, aimed, nodes, now)
        self._touched |= {node.instance_id for node in split(aimed, nodes)[0]}
        return next_step(aimed, nodes, self.history, now)

    def _unless_taken_over(self, read: Pointer) -> Pointer:
        if read in (self.pointer, self._writing):
            return read
        raise TakenOverError(
            f"the pointer of {self.model} was changed by somebody else: this rollout of {self.candidate.version} "
            "ends here and sets nothing back; `warmfleet models list` shows what is served"
        )

    def _aimed(self) -> Pointer:
        """The pointer with the candidate, also before the first wave."""
        return self.pointer if self.pointer.candidate else self.pointer.raised(self.candidate, 0)

    def _nodes(self) -> tuple[Member, ...]:
        """None at all while the gateway is silent: next_step knows how long that may last."""
        try:
            return members(self.look(), self.model)
        except GatewayError:
            return ()

    def _write(self, pointer: Pointer) -> None:
        self._writing = pointer
        self.pointers.write(pointer)
        self.pointer = pointer

    def _go_back(self, reason: str) -> str:
        """Set the wave back and wait until its nodes serve the current version again; what to tell."""
        current, version = self.pointer.current.version, self.candidate.version
        try:
            self.pointer = self._unless_taken_over(self.pointers.read())
            if self.pointer.current == self.candidate:
                return f"{self.model} serves {version} everywhere, yet: {reason}"
            if self.pointer.candidate is None:
                return f"{self.model} stays on {current}, nothing was changed: {reason}"
            self._write(self.pointer.given_up())
        except TakenOverError:
            raise
        except (ArtifactError, CommandError) as error:
            return (
                f"{reason}\nand the wave cannot be set back ({error}): nodes may still serve {version}; "
                f"`warmfleet models activate {self.model} {current}` sets it back"
            )
        with self.steps.step("set back") as shown:
            late = self._wait_until_back(shown)
            shown.result = f"every node serves {current}" if not late else f"not yet: {names(late)}"
        back = f"not back yet: {'; '.join(node.words() for node in late)}" if late else "its nodes are back on it"
        return f"{self.model} stays on {current}, {back}: {reason}"

    def _wait_until_back(self, shown: Shown) -> list[Member]:
        """The nodes that do not serve the current version again within their time."""
        until = self.clock() + self.history.patience_seconds
        while True:
            nodes = self._nodes()
            late = [node for node in nodes if node.instance_id in self._touched and not self._is_back(node)]
            if (nodes and not late) or self.clock() > until:
                return late
            shown.say("; ".join(node.words() for node in late) or "the gateway reports no node")
            self.sleep(POLL_SECONDS)

    def _is_back(self, node: Member) -> bool:
        return node.serves(self.pointer.current) and node.refused != self.candidate.version
