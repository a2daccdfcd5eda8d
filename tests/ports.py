"""Ports for tests: free now, and not given to anybody else before the test listens there."""

import functools
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path

LEAST = 10_240


def free_port(host: str = "127.0.0.1") -> int:
    """A port of `host` below those that the kernel gives to clients and to port 0.

    One of those is taken again by the next connection of any process, at times before the test has bound it:
    https://docs.kernel.org/networking/ip-sysctl.html (ip_local_port_range).
    """
    return next(port for port in _candidates() if _is_free(host, port))


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


@functools.cache
def _candidates() -> Iterator[int]:
    """Each process of a test run begins elsewhere, and gives none twice before it has given all."""
    least_given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = range(LEAST, max(least_given, LEAST + 10_000))
    begin = os.getpid() * 97 % len(ports)
    return itertools.cycle([*ports[begin:], *ports[:begin]])
