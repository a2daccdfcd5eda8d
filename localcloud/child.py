"""A part of the local cloud that runs as a process of its own: the AWS server and the Pulumi provider."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.errors import LocalCloudError
from localcloud.processes import tied_to

LISTEN_SECONDS = 40.0
STOP_SECONDS = 3.0
LOG_LINES = 15


@dataclass(frozen=True)
class Child:
    """A running child. `first` is the JSON line with which it said where it listens."""

    name: str
    process: asyncio.subprocess.Process
    first: Mapping[str, Any]
    _drain: asyncio.Task[None]

    async def stop(self) -> None:
        """Close its standard input and SIGTERM it, which both mean the end; SIGKILL if that does not help."""
        if self.process.stdin:
            self.process.stdin.close()
        await _end(self.process)
        await self._drain


async def start(name: str, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Child:
    """Start `python -m module` with its log in `log` and wait until it says where it listens.

    Raises:
        LocalCloudError: it ended or was silent, with the end of its log.
    """
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
            preexec_fn=tied_to(os.getpid()),
        )
    assert process.stdout is not None
    try:
        first = await _first_line(process, process.stdout)
    except LocalCloudError as error:
        await _end(process)
        text = f"the {name} process (python -m {module}) {error}"
        raise LocalCloudError(f"{text}; the end of {log}:\n{last_lines(log)}") from error
    except BaseException:
        await _end(process)
        raise
    return Child(name, process, first, asyncio.create_task(_drain(process.stdout)))


def last_lines(log: Path, most: int = LOG_LINES) -> str:
    """The end of a log, each line indented."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError as error:
        lines = [f"(unreadable: {error})"]
    return "\n".join(f"  {line}" for line in lines[-most:] or ["(empty)"])


async def _first_line(process: asyncio.subprocess.Process, output: asyncio.StreamReader) -> Mapping[str, Any]:
    try:
        line = await asyncio.wait_for(output.readline(), LISTEN_SECONDS)
        if not line:
            raise LocalCloudError(f"ended with code {await process.wait()} before it listened")
        first: Mapping[str, Any] = json.loads(line)
    except TimeoutError as error:
        raise LocalCloudError(f"did not listen within {LISTEN_SECONDS:g} s") from error
    except ValueError as error:
        raise LocalCloudError(f"printed {line[:200]!r} where it listens, which is not JSON") from error
    return first


async def _drain(stream: asyncio.StreamReader) -> None:
    """Whatever a child prints beyond its one line must not fill the pipe and stop it."""
    while await stream.read(1 << 16):
        pass


async def _end(process: asyncio.subprocess.Process) -> None:
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, None)):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            continue
