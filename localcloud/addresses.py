"""Which part of 127.0.0.0/8 a local cloud lives on.

Each running cloud of a machine has a 127.A.0.0/16 of its own, so that checkouts and test runs never collide. Linux lets
any user bind any 127.x address; a claim is an abstract Unix socket, which lives in the same network namespace as
those addresses and is released by the kernel when its holder ends, however it ends.
"""

import errno
import hashlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localcloud.errors import LocalCloudError

FIRST, LAST = 16, 250  # 127.0 … 127.15 and the top stay free for other programs


@dataclass(frozen=True)
class AddressClaim:
    """A /16 that is ours until `close`, or until this process ends."""

    prefix: str
    _socket: socket.socket

    def close(self) -> None:
        self._socket.close()


def candidates(root: Path) -> Iterator[str]:
    """Every prefix once; the first depends on `root` alone, so that a checkout usually keeps its addresses."""
    count = LAST - FIRST + 1
    first = int.from_bytes(hashlib.sha256(str(root).encode()).digest()[:8], "big")
    return (f"127.{FIRST + (first + step) % count}" for step in range(count))


def claim(root: Path) -> AddressClaim:
    """Take the first free prefix.

    Raises:
        LocalCloudError: every prefix is taken.
    """
    for prefix in candidates(root):
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            holder.bind(f"\0warmfleet-{prefix}")
        except OSError as error:
            holder.close()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return AddressClaim(prefix, holder)
    raise LocalCloudError(
        f"all {LAST - FIRST + 1} address ranges 127.{FIRST} to 127.{LAST} are taken by other local clouds on this "
        "machine; stop one with `warmfleet down`"
    )
