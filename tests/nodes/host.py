"""A systemd host of the local cloud's kind (localcloud.hosts) that a test boots and enters itself.

It shares this machine's network: its address is an instance's 127.x of the local AWS, which it reaches as we do.
"""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localcloud.hosts.container import REBOOT, Container, environment, hierarchies
from localcloud.hosts.leftovers import mounts_below
from localcloud.hosts.network import connections_of, key_of, namespaces_of
from localcloud.places import Places
from localcloud.processes import marked
from tests.scratch_checkout import eventually

BOOT_SECONDS = 30.0


@dataclass
class Host:
    """`folder` has what its console said. `booted_at` is when it was last told to boot, in Unix time."""

    container: Container
    nspawn: "subprocess.Popen[bytes] | None" = None
    booted_at: float = 0.0

    @property
    def root(self) -> Path:
        return self.container.root

    @property
    def console(self) -> Path:
        return self.container.folder / "console.log"

    def write(self, path: str, text: str) -> None:
        """A file of the host."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def boot(self) -> None:
        """Until systemd says that it has started, or has with failed units."""
        self.booted_at = time.time()
        with self.console.open("ab") as log:
            self.nspawn = subprocess.Popen(
                self.container.command(),
                env=environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=self.container.enter_cgroups,
            )
        self.run("systemctl", "is-system-running", "--wait", check=False)

    def reboot(self) -> None:
        """As an operator does it, and up again."""
        assert self.nspawn is not None
        self.run("systemctl", "reboot", check=False)
        assert self.nspawn.wait(130) == REBOOT, self.console.read_text()[-2000:]
        self.boot()

    def run(self, *command: str, check: bool = True, seconds: float = 120) -> "subprocess.CompletedProcess[str]":
        """A command inside, as root."""
        done = subprocess.run(
            [*entering(self._init()), *command], capture_output=True, text=True, timeout=seconds, check=False
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    def _init(self) -> int:
        """Its process 1, once the host has entered its own root."""
        assert self.nspawn is not None
        deadline = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < deadline and self.nspawn.poll() is None:
            if init := self.container.init():
                return init
            time.sleep(0.05)
        raise AssertionError(self.console.read_text()[-3000:])


@dataclass(frozen=True)
class CloudsHost:
    """A host of a local cloud, which boots and ends it: looked into from outside."""

    container: Container

    @classmethod
    def of(cls, root: Path, instance_id: str) -> "CloudsHost":
        """The host of an instance of the checkout at `root`."""
        places = Places.of(root)
        folder = places.instances / instance_id / "data"
        return cls(Container(key_of(places.folder), instance_id, folder, lower="", hostname=""))

    def init(self) -> int | None:
        return self.container.init()

    def run(self, *command: str, seconds: float = 60) -> str:
        """What a command in it prints, as root, in its own network."""
        init = eventually(self.init, "a host that runs", BOOT_SECONDS)
        words = [*entering(init), f"--net=/proc/{init}/ns/net", *command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done.stdout

    def settled(self) -> "CloudsHost":
        """Once systemd says that it has started, or has with failed units."""
        self.run("sh", "-c", "systemctl is-system-running --wait || true")
        return self


def left(root: Path) -> list[str]:
    """What is there of the hosts of the checkout at `root`: processes, mounts, namespaces, cgroups, sockets of ssh."""
    folder = Places.of(root).folder
    key = key_of(folder)
    found = [*namespaces_of(key), *mounts_below(folder), *(each for each in [connections_of(key)] if each.exists())]
    found += [each / key for each in hierarchies() if (each / key).exists()]
    return [*map(str, found), *(f"process {each.pid}" for each in marked(folder))]


def entering(init: int) -> list[str]:
    """The words before a command that shall run in the host whose process 1 is `init`, but in this network."""
    return ["nsenter", "--target", str(init), "--mount", "--uts", "--ipc", "--pid", "--root", "--wd=/"]


@contextlib.contextmanager
def host(lower: str, folder: Path, name: str) -> Iterator[Host]:
    """A host that has not booted yet, of an image (`Container.lower`); afterwards only its folder is left."""
    made = Host(Container("warmfleet-tests", name, folder, lower, hostname=name))
    made.container.mount()
    try:
        yield made
    finally:
        made.container.kill()
        if made.nspawn:
            made.nspawn.wait(30)
        made.container.unmount()
