"""Keeps the local stack and the local cloud together: state of a cloud that has ended is dropped (docs/adr/0003)."""

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from localcloud.places import Places, make_private_folder
from scripts.exit_codes import CommandError
from scripts.root import LOCAL_STACK

RUN_FILE = "stack-cloud-id"
COMMAND_LOCK = "command.lock"
WAIT_SECONDS = 60.0
POLL_SECONDS = 0.2


class Found(Enum):
    """What an `up` finds in the local backend."""

    FITS = "fits"  # built in this run of the cloud, or nothing there
    UNKNOWN = "unknown"  # built by plain `pulumi`, in whatever run: to be compared with the cloud
    OTHER_RUN = "other run"  # everything it lists ended with that run


@dataclass(frozen=True)
class Backend:
    """The local cloud's file backend, read without the CLI."""

    places: Places

    @property
    def _data(self) -> Path:
        return self.places.pulumi_backend / ".pulumi"

    def exists(self) -> bool:
        """Whether the backend has a local stack."""
        return any(self._data.glob(f"stacks/**/{LOCAL_STACK}.json"))

    def compare(self, run_id: str) -> Found:
        """Whether what the backend lists can exist in the cloud that runs now."""
        try:
            recorded = (self.places.folder / RUN_FILE).read_text().strip()
        except FileNotFoundError:
            return Found.UNKNOWN if any(self._data.glob("stacks/**/*.json")) else Found.FITS
        return Found.FITS if recorded == run_id else Found.OTHER_RUN

    def drop(self) -> None:
        """Forget every stack: nothing of them exists any more."""
        shutil.rmtree(self._data, ignore_errors=True)

    def record(self, run_id: str) -> None:
        """Remember in which run the stack is built: written before the first resource exists."""
        unfinished = self.places.folder / f".{RUN_FILE}"
        unfinished.write_text(run_id + "\n")
        unfinished.replace(self.places.folder / RUN_FILE)

    def half_done(self) -> bool:
        """Whether a run was killed while resources were being made: nobody knows which of them exist."""
        for path in self._data.glob(f"stacks/**/{LOCAL_STACK}.json"):
            try:
                latest = json.loads(path.read_bytes())["checkpoint"].get("latest") or {}
            except (ValueError, KeyError, OSError):
                return True
            if latest.get("pending_operations"):
                return True
        return False

    def left_locked(self, say: Callable[[str], None], *, wait_seconds: float = WAIT_SECONDS) -> bool:
        """Whether a CLI that no longer runs has left its lock; one that is still at work is waited for.

        Raises:
            CommandError: it is at work for longer than `wait_seconds`.
        """
        deadline = time.monotonic() + wait_seconds
        while pid := self.locked_by():
            if time.monotonic() >= deadline:
                raise CommandError(
                    f"pulumi (process {pid}) has been at work on stack {LOCAL_STACK} for {wait_seconds:g} s: wait for "
                    f"its end, or end it with `kill -INT {pid}`"
                )
            say(f"waiting for the end of pulumi (process {pid}), which is at work on stack {LOCAL_STACK}")
            time.sleep(POLL_SECONDS)
        return any(self._locks())

    def locked_by(self) -> int | None:
        """The process id of the CLI that is at work on the stack; None while none is."""
        holders = (_holder(lock) for lock in self._locks())
        return next((pid for pid in holders if pid is not None and _is_pulumi(pid)), None)

    def _locks(self) -> Iterator[Path]:
        yield from self._data.glob(f"locks/**/{LOCAL_STACK}/*.json")


@contextlib.contextmanager
def command_lock(root: Path) -> Iterator[None]:
    """Only one `up` or `down` works on a checkout at a time.

    Raises:
        CommandError: another one does, with its process id.
    """
    path = Places.of(root).folder / COMMAND_LOCK
    make_private_folder(path.parent)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            text = f"another `warmfleet up` or `down` (process {lock.read().strip() or 'unknown'}) works on {root}"
            raise CommandError(f"{text}; wait for its end, or end it") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _holder(lock: Path) -> int | None:
    try:
        return int(json.loads(lock.read_bytes())["pid"])
    except (ValueError, KeyError, OSError):
        return None


def _is_pulumi(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip().startswith("pulumi")
    except OSError:
        return False
