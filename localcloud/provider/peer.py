"""Who is on the other end of a connection: the stand-in serves only CLIs that keep their state in this local cloud.

Pulumi's plugin protocol does not say which backend the CLI uses, so its process is looked up. Linux only: proc(5).
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from localcloud.places import FOLDER
from localcloud.provider.errors import RefusedError

BACKEND = "PULUMI_BACKEND_URL"
MAPPED = "0000000000000000FFFF0000"  # an IPv4 address as IPv6, in /proc/net/tcp6
_REMEDY = 'run `eval "$(warmfleet env)"` in that shell first'


def backend_folder(path: Path) -> Path:
    """The folder of the local cloud's Pulumi backend, with links resolved.

    Raises:
        RefusedError: it is not below a `.warmfleet` folder.
    """
    resolved = path.resolve()
    if FOLDER not in resolved.parts:
        raise RefusedError(f"the backend folder {path} is not below a {FOLDER} folder; give the local cloud's own")
    return resolved


def admit(peer: str, port: int, backend: Path, proc: Path = Path("/proc")) -> None:
    """Let a peer pass whose process has this local cloud's backend.

    Args:
        peer: gRPC's name for it: `ipv4:127.0.0.1:40123`.
        port: where the stand-in listens.

    Raises:
        RefusedError: another backend, none, or nobody of this user and machine; the text says which.
    """
    found = list(_environments(peer, port, proc))
    if not found:
        raise RefusedError(f"the local cloud's aws provider cannot tell who asks ({peer}); {_REMEDY}")
    for pid, environment in found:
        url = environment.get(BACKEND, "")
        if not is_backend(url, backend):
            has = f"{BACKEND}={url}" if url else f"no {BACKEND}"
            raise RefusedError(
                f"the local cloud's aws provider refuses process {pid}, which has {has}: "
                f"it serves only stacks of the backend file://{backend}; {_REMEDY}"
            )


def is_backend(url: str, backend: Path) -> bool:
    """Whether a backend URL is the file backend in the folder `backend`."""
    parts = urlsplit(url)
    return parts.scheme == "file" and not parts.netloc and Path(unquote(parts.path)).resolve() == backend


def _environments(peer: str, port: int, proc: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Process id and environment of every process that holds the other end."""
    inode = _inode(peer, port, proc)
    if inode is None:
        return
    for folder in proc.iterdir():
        if folder.name.isdecimal() and _holds(folder, f"socket:[{inode}]"):
            entries = (folder / "environ").read_bytes().split(b"\0")
            pairs = (os.fsdecode(entry).partition("=") for entry in entries)
            yield int(folder.name), {name: value for name, _, value in pairs}


def _inode(peer: str, port: int, proc: Path) -> str | None:
    """The socket of the peer's end, from the table of this machine's connections."""
    kind, _, rest = peer.partition(":")
    host, _, peer_port = rest.rpartition(":")
    if kind != "ipv4" or not peer_port.isdecimal():
        return None
    wanted = _hexadecimal(host, int(peer_port)), _hexadecimal(host, port)
    for table, prefix in (("tcp", ""), ("tcp6", MAPPED)):  # gRPC's C core opens sockets of both kinds in one
        for line in (proc / "net" / table).read_text().splitlines()[1:]:
            fields = line.split()
            if (fields[1].removeprefix(prefix), fields[2].removeprefix(prefix)) == wanted:
                return fields[9]
    return None


def _hexadecimal(host: str, port: int) -> str:
    """An address as /proc/net/tcp writes it: the bytes of the number in the host's order, little-endian here."""
    number = bytes(map(int, host.split(".")))[::-1].hex().upper()
    return f"{number}:{port:04X}"


def _holds(folder: Path, socket: str) -> bool:
    try:
        return any(_target(folder / "fd" / name) == socket for name in os.listdir(folder / "fd"))
    except OSError:  # another user's process, or one that has just ended
        return False


def _target(descriptor: Path) -> str:
    try:
        return os.readlink(descriptor)
    except FileNotFoundError:  # closed since it was listed: a busy CLI does that all the time
        return ""
