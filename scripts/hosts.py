"""Whether the local cloud's instances are hosts, and what those boot."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from localcloud import control
from localcloud.cloud_state import HOSTS, PROCESSES
from localcloud.hosts.rootfs import root_file_system
from localcloud.hosts.tools import missing_tools
from localcloud.places import Places, make_private_folder
from scripts.exit_codes import USAGE, CommandError
from scripts.pulumi_build import cache_home
from scripts.root import LOCAL_STACK
from scripts.settings_check import config_texts


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


def provide_key_pair(root: Path, ec2: Any) -> None:
    """Make a key pair for this cloud and have EC2 know it by the name in the stack file, as one does once on AWS.

    The private key stays in `.warmfleet`; hosts get the public one from instance metadata.
    """
    name, key = config_texts(root, LOCAL_STACK).get("warmfleet:ssh_key_name", ""), Places.of(root).ssh_key
    if not name:
        return
    if not key.exists():
        make_private_folder(key.parent)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], check=True)
    if not ec2.describe_key_pairs(Filters=[{"Name": "key-name", "Values": [name]}])["KeyPairs"]:
        ec2.import_key_pair(KeyName=name, PublicKeyMaterial=key.with_suffix(".pub").read_bytes())
