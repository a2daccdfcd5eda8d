"""Refuses every connection and name look-up that would leave this machine.

The test run puts this folder on PYTHONPATH, so that each Python process that a test starts installs it too. A refusal
raises in the process that tried and is written to the file named by WARMFLEET_NETWORK_GUARD_LOG, so that a
process that swallows the exception is found out all the same.
"""

import ipaddress
import os
import socket
import sys

LOG_VARIABLE = "WARMFLEET_NETWORK_GUARD_LOG"
HOSTS = ipaddress.ip_network("198.18.0.0/15")
LOCAL_NAMES = ("", "localhost", "localhost.localdomain", "ip6-localhost")


def stays_here(host: object) -> bool:
    """Whether a host, as given to connect, sendto or getaddrinfo, is this machine's loopback."""
    name = host.decode() if isinstance(host, bytes) else host
    if name is None or name in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(str(name).split("%")[0]).is_loopback
    except ValueError:
        return False


def network_of(one: socket.socket) -> bytes:
    """Which network namespace a socket is in: socket(7), SO_NETNS_COOKIE."""
    try:
        return one.getsockopt(socket.SOL_SOCKET, 71, 8)
    except OSError:  # kernels before 5.14
        return b""


def leads_to_a_host(one: object, host: object) -> bool:
    """Whether a socket is in another network namespace than this process was, and `host` is in the hosts' range.

    The local cloud's hosts are in such a one, which has no way out (localcloud/hosts/network.py).
    """
    try:
        among = ipaddress.ip_address(str(host)) in HOSTS
    except ValueError:
        return False
    return among and isinstance(one, socket.socket) and network_of(one) != HERE


def refuse_outside(event: str, args: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = args[1]
        host = address[0] if isinstance(address, tuple) else None  # Unix sockets have a path, not a tuple
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0]
    else:
        return
    if stays_here(host) or (event == "socket.connect" and leads_to_a_host(args[0], host)):
        return
    text = f"{event} to {host!r} by {' '.join(sys.argv[:3])}: tests stay on loopback"
    if path := os.environ.get(LOG_VARIABLE):
        with open(path, "a", encoding="utf-8") as log:
            log.write(text + "\n")
    raise PermissionError(text)


with socket.socket() as any_socket:
    HERE = network_of(any_socket)
sys.addaudithook(refuse_outside)
