"""Whether the local cloud's instances are hosts, and what those boot."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from localcloud import control
from localcloud.cloud_state import HOSTS, PROCESSES
from localcloud.hosts.rootfs import root_file_system
from localcloud.hosts.tools import missing_tools
from scripts.exit_codes import USAGE, CommandError
from scripts.pulumi_build import cache_home


def wants_hosts(root: Path, nodes: str | None) -> bool:
    """Whether instances shall be hosts; `nodes` as for `provision`.

    Raises:
        CommandError: this machine cannot run hosts, or the running cloud's instances are something else.
    """
    running = control.running(root)
    wanted = nodes or (running.nodes if running else PROCESSES)
    if running and running.nodes != wanted:
        raise CommandError(
            f"the local cloud runs with instances as {running.nodes}, not {wanted}; first: warmfleet down", USAGE
        )
    if wanted == HOSTS and (lacks := missing_tools()):
        raise CommandError(f"instances cannot be hosts here: {'; '.join(lacks)}", USAGE)
    return wanted == HOSTS


def hosts_base(environ: Mapping[str, str], report: Callable[[str], None]) -> Path:
    """The root file system that hosts boot; made once. Raises CommandError."""
    try:
        return root_file_system(cache_home(environ), report)
    except (OSError, subprocess.SubprocessError) as error:
        remedy = "check this machine's apt sources, then run it again"
        raise CommandError(f"the hosts' root file system cannot be made: {error}; {remedy}") from error
