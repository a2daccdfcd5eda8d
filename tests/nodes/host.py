"""A systemd host under systemd-nspawn: an overlay of the root file system, with a cgroup of its own.

It shares this machine's network: its address is an instance's 127.x of the local AWS, which it reaches as we do.
Limits of memory and CPU are not enforced in it.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
BOOTED = "run/systemd/private"  # systemd listens
REBOOT = 133  # systemd-nspawn's exit code when its host wants to boot again
FLAGS = ("--boot", "--register=no", "--keep-unit", "--console=pipe", "--link-journal=no", "--resolv-conf=off")


@dataclass
class Host:
    """`root` is its mounted root, `folder` holds the overlay and what its console said."""

    name: str
    folder: Path
    nspawn: "subprocess.Popen[bytes] | None" = None

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    def write(self, path: str, text: str) -> None:
        """A file of the host that does not run."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def boot(self) -> None:
        """Until systemd says that it has started, or has with failed units."""
        command = ["systemd-nspawn", "-q", "-D", str(self.root), "-M", self.name, *FLAGS, "--timezone=off"]
        environ = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        with self.console.open("ab") as log:
            self.nspawn = subprocess.Popen(
                command, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=self._enter_cgroups
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
        enter = ["nsenter", "--target", str(self._init()), "--mount", "--uts", "--ipc", "--pid", "--root", "--wd=/"]
        done = subprocess.run([*enter, *command], capture_output=True, text=True, timeout=seconds, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        return done

    def stop(self) -> None:
        """At once: whatever runs in its cgroups is killed, its init first."""
        if self.nspawn and self.nspawn.poll() is None:
            with contextlib.suppress(AssertionError, ProcessLookupError):
                os.kill(self._init(), signal.SIGKILL)
            self.nspawn.wait(30)

    def _init(self) -> int:
        """Its process 1, once the host has entered its own root."""
        assert self.nspawn is not None
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.nspawn.poll() is None, self.console.read_text()[-3000:]
            for pid in self._below(self.nspawn.pid):
                if self._is_init(pid):
                    return pid
            time.sleep(0.05)
        raise AssertionError(self.console.read_text()[-3000:])

    @staticmethod
    def _is_init(pid: int) -> bool:
        """Whether it is process 1 of its host, and listens; False for one that has just ended."""
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{pid}/status").read_text()
            line = next(line for line in status.splitlines() if line.startswith("NSpid:"))
            return line.split()[-1] == "1" and (Path(f"/proc/{pid}/root") / BOOTED).exists()
        return False

    @staticmethod
    def _below(pid: int) -> list[int]:
        found, rest = list[int](), [pid]
        while rest:
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{rest[-1]}/task/{rest.pop()}/children").read_text().split()
                found += map(int, children)
                rest += map(int, children)
        return found

    def cgroups(self) -> list[Path]:
        """In each hierarchy that systemd uses: hybrid or version 2 alone."""
        hybrid = [CGROUPS / "systemd", CGROUPS / "unified"]
        return [each / self.name for each in (hybrid if hybrid[1].is_dir() else [CGROUPS])]

    def _enter_cgroups(self) -> None:
        for each in self.cgroups():
            (each / "cgroup.procs").write_text(str(os.getpid()))


@contextlib.contextmanager
def host(base: Path, folder: Path, name: str) -> Iterator[Host]:
    """A host that has not booted yet; afterwards nothing of it is left but its folder."""
    made = Host(name, folder)
    for each in ("root", "upper", "work"):
        (folder / each).mkdir(parents=True)
    options = f"lowerdir={base},upperdir={folder / 'upper'},workdir={folder / 'work'}"
    subprocess.run(["mount", "-t", "overlay", name, "-o", options, str(made.root)], check=True, timeout=30)
    try:
        for each in made.cgroups():
            each.mkdir()
        yield made
    finally:
        made.stop()
        subprocess.run(["umount", "--lazy", str(made.root)], check=True, timeout=30)
        for each in made.cgroups():
            for below in sorted(each.rglob("*"), reverse=True):
                if below.is_dir():
                    below.rmdir()
            each.rmdir()
