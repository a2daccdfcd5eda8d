"""What hosts need of this machine."""

import os
import shutil

PACKAGES = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "ssh-keygen": "openssh-client",
}


def missing_tools() -> list[str]:
    """What this machine lacks, as sentences that name the remedy; nothing when hosts can run."""
    lacks = [] if os.geteuid() == 0 else ["hosts need root: systemd-nspawn makes namespaces, mounts and cgroups"]
    absent = sorted({package for tool, package in PACKAGES.items() if shutil.which(tool) is None})
    return lacks + ([f"missing: apt-get install --no-install-recommends {' '.join(absent)}"] if absent else [])
