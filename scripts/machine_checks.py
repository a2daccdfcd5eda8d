"""What this machine must have, each with the command that repairs it. Nothing here changes anything."""

import os
import platform
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inference_service import contract
from localcloud import control
from scripts.exit_codes import CommandError
from scripts.pulumi_build import LEAST_GO, cached_cli
from scripts.pulumi_cli import INSTALL_LINE, LEAST_PULUMI, find, usable
from scripts.root import LOCAL_STACK

LEAST_PYTHON = (3, 11)
LEAST_FREE_MIB = 1024  # service bundle and its wheels, the model, one copy of both per node
GATEWAY_PORT = "gateway_port"
DEFAULT_PORT = 8080
PROBE_ADDRESS = "127.255.255.1"  # an address that no cloud of ours uses: only a listener on all addresses is in its way


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `remedy` is empty when it is as it should be."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def check_platform(system: str, python: tuple[int, ...]) -> list[Check]:
    """Operating system and Python."""
    linux = Check("Linux", system == "Linux", system, "" if system == "Linux" else "use Linux, or WSL2 on Windows")
    good = python[:2] >= LEAST_PYTHON
    wanted = "" if good else "sudo apt-get install python3.11 python3.11-venv, then `make clean` and `make up`"
    return [linux, Check("Python", good, ".".join(map(str, python[:3])), wanted)]


def check_program(name: str, environ: Mapping[str, str]) -> Check:
    """A program that has to be on PATH."""
    path = shutil.which(name, path=environ.get("PATH", os.defpath))
    return Check(name, path is not None, path or "not on PATH", "" if path else f"sudo apt-get install {name}")


def check_pulumi(environ: Mapping[str, str]) -> Check:
    """The Pulumi CLI, or what is needed to build it."""
    built = cached_cli(environ)
    pulumi = find("pulumi", ["version"], {**environ, "PULUMI_SKIP_UPDATE_CHECK": "true"})
    if usable(pulumi, LEAST_PULUMI):
        return Check("Pulumi CLI", True, str(pulumi))
    if os.access(built, os.X_OK):
        return Check("Pulumi CLI", True, str(built))
    go = find("go", ["version"], {**environ, "GOTOOLCHAIN": "local"})
    if usable(go, LEAST_GO):
        return Check("Pulumi CLI", True, f"none yet; `make up` builds it with {go}")
    found = f"pulumi {pulumi or 'not on PATH'}, go {go or 'not on PATH'}"
    return Check("Pulumi CLI", False, found, f"{INSTALL_LINE}   (or Go {'.'.join(map(str, LEAST_GO))} or newer)")


def check_disk(folder: Path, least_mib: int = LEAST_FREE_MIB) -> Check:
    """Free space where the local cloud keeps its files."""
    free_mib = shutil.disk_usage(folder).free // 2**20
    good = free_mib >= least_mib
    remedy = "" if good else f"free at least {least_mib} MiB there; `make down` removes what the local cloud keeps"
    return Check("disk space", good, f"{free_mib} MiB free in {folder}", remedy)


def check_port(root: Path, address: str = PROBE_ADDRESS) -> Check:
    """The gateway's port. Addresses of the local cloud are its own, but a listener on all addresses blocks them."""
    file, port = gateway_port(root)
    if problem := _occupied(port, address):
        remedy = f"end the program that `ss -ltnp 'sport = :{port}'` shows, or set warmfleet:{GATEWAY_PORT} in {file}"
        return Check("gateway port", False, f"{port} cannot be used: {problem}", remedy)
    return Check("gateway port", True, f"{port} is free")


def gateway_port(root: Path) -> tuple[str, int]:
    """The local stack's gateway port, and the file in which to change it."""
    from scripts.settings_check import config_texts  # loads the program's settings, which takes a second

    try:
        given = config_texts(root, LOCAL_STACK).get(f"warmfleet:{GATEWAY_PORT}", "")
    except CommandError:  # `up` says what is wrong in the files
        given = ""
    port = int(given) if given.isdecimal() else 0
    return f"Pulumi.{LOCAL_STACK}.yaml", port if 0 < port < 65536 else DEFAULT_PORT


def check_node_port(port: int = contract.NODE_PORT, address: str = PROBE_ADDRESS) -> Check:
    """The port of every node; the rules of `check_port` hold for it too."""
    if problem := _occupied(port, address):
        remedy = f"end the program that `ss -ltnp 'sport = :{port}'` shows, or have it listen on one address"
        return Check("node port", False, f"{port} cannot be used: {problem}", remedy)
    return Check("node port", True, f"{port} is free")


def _occupied(port: int, address: str) -> str | None:
    """Why nobody can listen at `address`; None when it is free."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        return error.strerror
    return None


def all_checks(root: Path, environ: Mapping[str, str]) -> list[Check]:
    """Everything that `make up` needs on this machine."""
    cloud = control.running(root)
    return [
        *check_platform(platform.system(), sys.version_info[:3]),
        *(check_program(name, environ) for name in ("make", "git")),
        check_pulumi(environ),
        check_disk(root),
        check_port(root),
        check_node_port(),
        Check("local cloud", True, f"running (pid {cloud.daemon_pid})" if cloud else "not running: `make up`"),
    ]


def refuse_unfit(root: Path) -> None:
    """Stop before anything is made, with every reason at once.

    Raises:
        CommandError: the machine lacks something that no later step could make good.
    """
    machine = check_platform(platform.system(), sys.version_info[:3])
    checks = [*machine, check_disk(root), check_port(root), check_node_port()]
    if bad := [check for check in checks if not check.ok]:
        raise CommandError("\n".join(f"{check.name}: {check.found}; {check.remedy}" for check in bad))
