"""Takes away what the hosts of a killed cloud left: processes, mounts, network namespaces, cgroups, connections.

Nothing is looked up in a record of what was made: all of it has the cloud's key in its name, or lies in its folder.
"""

import shutil
import subprocess
from pathlib import Path

from localcloud.hosts.container import hierarchies, kill_cgroup, remove_cgroup, unmount
from localcloud.hosts.network import connections_of, key_of, namespaces_of, remove_namespace


def clear(folder: Path) -> int:
    """Remove all that hosts of the cloud in `folder` (`.warmfleet`) left; how many processes were ended.

    Raises:
        LocalCloudError, OSError, subprocess.SubprocessError: something cannot be removed.
    """
    key = key_of(folder)
    groups = [each / key for each in hierarchies() if (each / key).is_dir()]
    _end_connections(connections_of(key))
    ended = max((kill_cgroup(each) for each in groups), default=0)
    for root in mounts_below(folder):
        unmount(root)
    for name in namespaces_of(key):
        remove_namespace(name)
    for each in groups:
        remove_cgroup(each)
    return ended


def _end_connections(folder: Path) -> None:
    """Those that ssh keeps open for later, and that would keep the hosts' network in being."""
    if not folder.is_dir():
        return
    for each in folder.iterdir():
        command = ["ssh", "-F", "none", "-o", f"ControlPath={each}", "-O", "exit", "any"]
        subprocess.run(command, capture_output=True, timeout=10, check=False)
    shutil.rmtree(folder)


def mounts_below(folder: Path) -> list[Path]:
    """Where something is mounted below `folder`, the innermost first (proc_pid_mountinfo(5): spaces are \\040)."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [Path(line.split()[4].replace("\\040", " ")) for line in lines]
    return sorted((each for each in points if folder in each.parents), reverse=True)
