"""One systemd host under systemd-nspawn: its overlay, its cgroups, its command line, its process 1. All of it blocks.

Measured: without a cgroup of its own in each hierarchy all hosts would share one; SIGKILL of systemd-nspawn would leave
the host running, of its process 1 ends all of it; limits of memory and CPU are not enforced in it.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcloud.hosts.namespace import FOLDER

CGROUPS = Path("/sys/fs/cgroup")
REBOOT = 133  # systemd-nspawn's exit code when its host wants to boot again
POWER_OFF = signal.SIGRTMIN + 4  # systemd(1), "Signals"
SETTINGS = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
FLAGS = ("--boot", "--register=no", "--keep-unit", "--console=read-only", "--link-journal=no", "--resolv-conf=off")
UPPER = "upper"
SYSTEMD_LISTENS = "run/systemd/private"
GONE_SECONDS = 10.0


@dataclass(frozen=True)
class Container:
    """`folder` holds the overlay; `lower` are the folders below it, as overlayfs takes them, the uppermost first.

    `group` and `name` are the cgroup's; without a `namespace` it shares this machine's network.
    """

    group: str
    name: str
    folder: Path
    lower: str
    hostname: str
    namespace: str | None = None

    @property
    def root(self) -> Path:
        """The host's root file system while it is mounted."""
        return self.folder / "root"

    @property
    def upper(self) -> Path:
        """What the host has changed of its image."""
        return self.folder / UPPER

    def mount(self) -> None:
        """Raises subprocess.CalledProcessError, for example where the file system cannot hold an overlay."""
        for name in ("root", UPPER, "work"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.upper.chmod(0o755)  # becomes the host's /
        self.root.chmod(0o755)
        options = f"lowerdir={self.lower},upperdir={self.upper},workdir={self.folder / 'work'}"
        subprocess.run(
            ["mount", "-t", "overlay", self.name, "-o", options, str(self.root)], check=True, timeout=30, text=True,
            capture_output=True,
        )  # fmt: skip
        for each in self.cgroups():
            each.mkdir(parents=True, exist_ok=True)

    def unmount(self) -> None:
        """Of what has ended. Its overlay's folders stay."""
        unmount(self.root)
        for each in self.cgroups():
            remove_cgroup(each)
            with contextlib.suppress(OSError):  # the last one takes the group's own along
                each.parent.rmdir()

    def cgroups(self) -> list[Path]:
        return [each / self.group / self.name for each in hierarchies()]

    def command(self) -> list[str]:
        network = [f"--network-namespace-path={FOLDER / self.namespace}"] if self.namespace else []
        named = [f"--machine={self.name}", f"--hostname={self.hostname}"]
        return ["systemd-nspawn", "--quiet", f"--directory={self.root}", *named, *FLAGS, "--timezone=off", *network]

    def enter_cgroups(self) -> None:
        """For `preexec_fn`."""
        for each in self.cgroups():
            (each / "cgroup.procs").write_text(str(os.getpid()))

    def init(self) -> int | None:
        """Its process 1, once systemd listens in it; None before and after."""
        return next((pid for pid in _processes(self.cgroups()[0]) if _is_init(pid)), None)

    def kill(self) -> None:
        """All that runs in it, at once, and wait for it."""
        for each in self.cgroups():
            kill_cgroup(each)


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """Of systemd-nspawn itself; the host gets none of it."""
    return {name: base[name] for name in ("PATH", "LANG") if name in base} | SETTINGS


def hierarchies() -> list[Path]:
    """Those that systemd uses: hybrid, or version 2 alone."""
    hybrid = [CGROUPS / "systemd", CGROUPS / "unified"]
    return hybrid if hybrid[1].is_dir() else [CGROUPS]


def kill_cgroup(folder: Path) -> int:
    """SIGKILL whatever is in a cgroup and below it until nothing is; how many processes that were."""
    killed, deadline = set[int](), time.monotonic() + GONE_SECONDS
    while (left := _processes(folder)) and time.monotonic() < deadline:
        # Processes 1 first: the kernel ends all others of their host.
        for pid in [each for each in left if _is_first(each)] or left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        time.sleep(0.02)
    return len(killed)


def remove_cgroup(folder: Path) -> None:
    """An empty one and those below it."""
    if not folder.is_dir():
        return
    for each in sorted((each for each in folder.rglob("*") if each.is_dir()), reverse=True):
        each.rmdir()
    folder.rmdir()


def unmount(root: Path) -> None:
    if os.path.ismount(root):
        subprocess.run(["umount", "--lazy", str(root)], check=True, timeout=30)


def _processes(folder: Path) -> list[int]:
    found = list[int]()
    for each in [folder, *folder.rglob("*")] if folder.is_dir() else []:
        with contextlib.suppress(OSError):
            found += map(int, (each / "cgroup.procs").read_text().split())
    return [pid for pid in found if pid]  # 0: of another process id namespace


def _ids(pid: int) -> list[str]:
    """Its ids, from this machine's to its innermost namespace's; nothing when it has just ended."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(line for line in lines if line.startswith("NSpid:")).split()[1:]
    return []


def _is_first(pid: int) -> bool:
    ids = _ids(pid)
    return len(ids) > len(_ids(os.getpid())) and ids[-1] == "1"


def _is_init(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return _is_first(pid) and (Path(f"/proc/{pid}/root") / SYSTEMD_LISTENS).exists()
    return False
