"""Sockets of a network namespace, made by a process that is in another one.

A thread enters the namespace for good (setns(2) is per thread) and makes sockets there on request; a socket stays in
the namespace that it was made in, whoever uses it (network_namespaces(7)).
"""

import ctypes
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

_CLONE_NEWNET = 0x40000000  # setns(2)
FOLDER = Path("/run/netns")  # of ip-netns(8)


class NamespaceSockets:
    """Makes sockets in the network namespace `name`, until `close`."""

    def __init__(self, name: str) -> None:
        self._path = FOLDER / name
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=self._enter)

    def make(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket that does not block. Raises OSError, or BrokenThreadPool when there is no such namespace."""
        made = self._thread.submit(socket.socket, family, kind, protocol).result()
        made.setblocking(False)
        return made

    def listening(self, address: str, port: int) -> socket.socket:
        made = self.make(socket.AF_INET, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen(128)
        return made

    def for_address(self, address_info: Any) -> socket.socket:
        """As aiohttp's TCPConnector asks for sockets."""
        family, kind, protocol = address_info[:3]
        return self.make(family, kind, protocol)

    def close(self) -> None:
        self._thread.shutdown()

    def _enter(self) -> None:
        enter(self._path)


def enter(path: Path) -> None:
    """Put the calling thread into the network namespace at `path`. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(handle)
