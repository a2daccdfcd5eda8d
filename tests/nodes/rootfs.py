"""The root file system that test hosts boot: Debian 12 as it comes, made once and kept in the cache."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from scripts.pulumi_build import cache_home

SUITE = "bookworm"
PACKAGES = (
    "ca-certificates", "curl", "dbus", "iproute2", "libgomp1", "libpam-systemd", "procps", "python3", "python3-apt",
    "systemd", "systemd-sysv",
)  # fmt: skip


def missing_tools() -> list[str]:
    """What test hosts need of this machine and it lacks, as sentences."""
    lacks = [] if os.geteuid() == 0 else ["test hosts need root"]
    packages = {"systemd-nspawn": "systemd-container", "mmdebstrap": "mmdebstrap"}
    absent = [package for tool, package in packages.items() if shutil.which(tool) is None]
    return lacks + ([f"missing: apt-get install --no-install-recommends {' '.join(absent)}"] if absent else [])


def root_file_system() -> Path:
    """Made on the first call, in about 20 seconds; it appears complete or not at all."""
    key = hashlib.sha256(" ".join([SUITE, *PACKAGES]).encode()).hexdigest()[:12]
    made = cache_home(os.environ) / f"rootfs-{SUITE}-{key}"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".rootfs-", dir=made.parent) as folder:
            work = Path(folder, "root")
            include = f"--include={','.join(PACKAGES)}"
            subprocess.run(
                ["mmdebstrap", "--quiet", "--variant=minbase", include, SUITE, str(work)], check=True, timeout=300
            )
            (work / "etc" / "machine-id").write_text("")
            (work / "etc" / "apt" / "sources.list").write_text("")  # an unreachable mirror costs a minute of retries
            work.rename(made)
    return made
