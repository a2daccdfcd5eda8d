"""The steps of a long command with the time of each: live on a terminal, one plain line per event elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TextIO

from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from scripts.terminal import console

LOG_SECONDS = 15.0  # how often a long step tells a log that it is alive
TITLE_COLUMNS = 16

Clock = Callable[[], float]


@dataclass
class Step:
    """One step under way. `say` shows what it does now, `result` is kept when it has finished."""

    title: str
    started: float
    say: Callable[[str], None]
    result: str = ""


@dataclass(frozen=True)
class Finished:
    """A finished step; `seconds` on the wall clock."""

    title: str
    seconds: float
    result: str


@dataclass
class Steps:
    """Runs steps one after another and remembers how long each took."""

    stream: TextIO
    clock: Clock = time.monotonic
    finished: list[Finished] = field(default_factory=list)

    @contextlib.contextmanager
    def step(self, title: str, *, moving: bool = True) -> Iterator[Step]:
        """Show a step until the block ends; a block that raises is shown as failed, with its time.

        Args:
            moving: False for a step that prints by itself: a moving line would be in its way.
        """
        started = self.clock()
        kind = _Live if self.stream.isatty() else _Lines
        shown: _Live | _Lines = kind(self.stream, title, started, self.clock, moving)
        step = Step(title, started, shown.say)
        shown.begin()
        try:
            yield step
        except BaseException as error:
            shown.end(False, "interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
            raise
        self.finished.append(Finished(title, round(self.clock() - started, 3), step.result))
        shown.end(True, step.result)

    @property
    def seconds(self) -> float:
        """How long all finished steps took together."""
        return sum(step.seconds for step in self.finished)


def line(good: bool, title: str, text: str, seconds: float) -> str:
    """How a finished step reads in a log."""
    return f"{'ok  ' if good else 'FAIL'} {title}: {text + ' ' if text else ''}({seconds:.1f} s)"


class _Lines:
    """For logs: a line when a step starts and ends, and now and then what it is doing."""

    def __init__(self, stream: TextIO, title: str, started: float, clock: Clock, moving: bool) -> None:
        self._stream, self._title, self._started, self._clock = stream, title, started, clock
        self._told = started
        self._moving = moving

    def begin(self) -> None:
        self._print(f"...  {self._title}")

    def say(self, text: str) -> None:
        now = self._clock()
        if self._moving and now - self._told >= LOG_SECONDS:
            self._told = now
            self._print(f"     {self._title}: {text} ({now - self._started:.0f} s)")

    def end(self, good: bool, text: str) -> None:
        self._print(line(good, self._title, text, self._clock() - self._started))

    def _print(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class _Live:
    """For terminals: one line that moves, replaced by the finished one."""

    def __init__(self, stream: TextIO, title: str, started: float, clock: Clock, moving: bool) -> None:
        self._moving = moving
        self._title, self._started, self._clock = title, started, clock
        self._text = ""
        self._console = console(stream)
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=8, transient=True)

    def begin(self) -> None:
        if self._moving:
            self._live.start()

    def say(self, text: str) -> None:
        self._text = text

    def end(self, good: bool, text: str) -> None:
        self._live.stop()
        mark = Text("✓", style="green") if good else Text("✗", style="red")
        self._console.print(self._row(mark, Text(text, overflow="fold")))

    def _render(self) -> Table:
        return self._row(self._spinner, Text(self._text, style="dim", overflow="ellipsis", no_wrap=True))

    def _row(self, mark: Text | Spinner, text: Text) -> Table:
        row = Table.grid(padding=(0, 1), expand=True)
        row.add_column(width=1)
        row.add_column(width=TITLE_COLUMNS, no_wrap=True)
        row.add_column(width=8, justify="right", no_wrap=True)
        row.add_column(ratio=1)
        row.add_row(mark, Text(self._title, style="bold"), Text(f"{self._clock() - self._started:.1f} s"), text)
        return row
