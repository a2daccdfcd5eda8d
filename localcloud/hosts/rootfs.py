"""The root file system that hosts boot: Debian 12, made once and kept in the user's cache.

Beside Debian it has what this project needs of the images on AWS: the user `ubuntu`, who may use sudo, and a stand-in
for cloud-init (image/). ssh and that stand-in are there and off: `machine.py` turns them on.
"""

import hashlib
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

SUITE = "bookworm"
PACKAGES = (
    "ca-certificates", "chrony", "curl", "dbus", "iproute2", "libgomp1", "libpam-systemd", "openssh-server", "procps",
    "python3", "python3-apt", "sudo", "systemd", "systemd-sysv", "unattended-upgrades",
)  # fmt: skip
MAKING_SECONDS = 600
IMAGE = Path(__file__).with_name("image")
# Where each file of image/ goes, and its mode.
FILES = {
    "cloud-init": ("usr/local/sbin/cloud-init", 0o755),
    "cloud-final.service": ("etc/systemd/system/cloud-final.service", 0o644),
    "journald.conf": ("etc/systemd/journald.conf.d/console.conf", 0o644),
    "ssh.conf": ("etc/systemd/system/ssh.service.d/host-key.conf", 0o644),
    "system.conf": ("etc/systemd/system.conf.d/console.conf", 0o644),
    "sudoers": ("etc/sudoers.d/90-ubuntu", 0o440),
}
USER = "ubuntu"


def root_file_system(cache: Path, report: Callable[[str], None] = lambda _: None) -> Path:
    """The folder of it below `cache`; made on the first call, in about 20 seconds, complete or not at all.

    Raises:
        OSError, subprocess.SubprocessError: it cannot be made; mmdebstrap has said why on standard error.
    """
    made = cache / f"rootfs-{SUITE}-{_key()}"
    if not made.exists():
        report(f"making the hosts' root file system once ({SUITE}, from this machine's apt sources)")
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".rootfs-", dir=made.parent) as folder:
            work = Path(folder, "root")
            _make(work)
            work.rename(made)
    return made


def _key() -> str:
    contents = [(IMAGE / name).read_text() for name in sorted(FILES)]
    return hashlib.sha256("\n".join([SUITE, *PACKAGES, *contents, Path(__file__).read_text()]).encode()).hexdigest()[
        :12
    ]


def _make(work: Path) -> None:
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    command += [f'--customize-hook=chroot "$1" useradd --create-home --shell /bin/bash {USER}', SUITE, str(work)]
    subprocess.run(command, check=True, timeout=MAKING_SECONDS, stdin=subprocess.DEVNULL)
    (work / "etc/machine-id").write_text("")
    (work / "etc/apt/sources.list").write_text("")  # an unreachable mirror costs a minute of retries
    for mine in ("etc/hostname", "etc/resolv.conf"):  # of this machine
        (work / mine).unlink(missing_ok=True)
    for key in (work / "etc/ssh").glob("ssh_host_*"):  # each host makes its own
        key.unlink()
    (work / "etc/systemd/system/multi-user.target.wants/ssh.service").unlink()
    for name, (path, mode) in FILES.items():
        target = work / path
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        target.write_text((IMAGE / name).read_text())
        target.chmod(mode)
