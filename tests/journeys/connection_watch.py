"""Notices where a tree of processes connects to, in whatever language they are written."""

import ipaddress
import threading
from collections.abc import Iterable
from pathlib import Path

import psutil

from localcloud.processes import marked

LOOK_SECONDS = 0.1


class ConnectionWatch(threading.Thread):
    """Looks at the sockets of this process's descendants, and of the local cloud in `folder`, ten times a second.

    A connection shorter than a look can be missed: the Python processes have the network guard as well, and a name that
    cannot be resolved, or a proxy, shows in the trap.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._end = threading.Event()
        self.looks = 0
        self.local: set[str] = set()
        self.outside: set[str] = set()

    def __enter__(self) -> "ConnectionWatch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.join()

    def run(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            watched = {each.pid for each in psutil.Process().children(recursive=True)}
            if self.looks % 10 == 0:
                watched |= {each.pid for each in marked(self._folder)}
            self._look(watched)
            self.looks += 1

    def _look(self, pids: Iterable[int]) -> None:
        for pid in pids:
            try:
                process = psutil.Process(pid)
                remotes = [each.raddr.ip for each in process.net_connections("inet") if each.raddr]
                outside = [ip for ip in remotes if not is_loopback(ip)]
                self.outside |= {f"{' '.join(process.cmdline()[:4])} to {ip}" for ip in outside}
                self.local |= set(remotes) - set(outside)
            except psutil.Error:  # it has ended
                continue


def is_loopback(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
