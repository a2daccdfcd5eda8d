"""What a running local cloud tells about itself, in `.warmfleet/cloud.json` and `.warmfleet/problems.json`."""

import dataclasses
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.processes import ProcessIdentity

REGION = "us-east-1"
ACCOUNT = "123456789012"
PROCESSES, HOSTS = "processes", "hosts"


@dataclass(frozen=True)
class CloudState:
    """A running cloud. `daemon_started` is in seconds since boot, `address_prefix` is like "127.77"."""

    run_id: str
    daemon_pid: int
    daemon_started: float
    endpoint_url: str
    provider_port: int
    address_prefix: str
    region: str
    nodes: str = PROCESSES  # what instances are
    namespace: str = ""  # the network namespace from which hosts are reached; "" where instances are processes

    @property
    def daemon(self) -> ProcessIdentity:
        return ProcessIdentity(self.daemon_pid, self.daemon_started)


@dataclass(frozen=True)
class Problem:
    """Something that the running cloud cannot do for a resource at present, and what helps."""

    resource: str
    text: str
    remedy: str


def read_state(path: Path) -> CloudState | None:
    """The state in `path`; None when there is none that can be read."""
    document = _read(path)
    names = {field.name for field in dataclasses.fields(CloudState)}
    return CloudState(**document) if isinstance(document, dict) and set(document) == names else None


def write_state(path: Path, state: CloudState) -> None:
    _write(path, dataclasses.asdict(state))


def read_problems(path: Path) -> list[Problem]:
    document = _read(path)
    return [Problem(**each) for each in document] if isinstance(document, list) else []


def write_problems(path: Path, problems: Iterable[Problem]) -> None:
    _write(path, [dataclasses.asdict(each) for each in problems])


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _write(path: Path, document: Any) -> None:
    """Readers see the old file or the whole new one; only this user can read it."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(document, file, indent=2)
    unfinished.replace(path)
