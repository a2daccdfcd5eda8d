"""The disk that virtual machines boot: Debian 12 with its kernel for clouds, made once, in the user's cache."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SUITE = "bookworm"
PACKAGES = (
    "chrony", "dbus", "e2fsprogs", "iproute2", "kmod", "libpam-systemd", "linux-image-cloud-amd64", "mdadm",
    "openssh-server", "procps", "python3", "python3-apt", "systemd", "systemd-sysv", "udev", "unattended-upgrades",
)  # fmt: skip
MAKING_SECONDS, SIZE = 900, "3G"
NETWORK = "[Match]\nName=en*\n[Network]\nDHCP=yes\n"
PROGRAMS = {"qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils", "mmdebstrap": "mmdebstrap"}


@dataclass(frozen=True)
class Image:
    """What is in `folder`: the disk, as large as its contents; kernel, initial RAM disk, and root's ssh key."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "disk.qcow2"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.img"

    @property
    def key(self) -> Path:
        return self.folder / "key"


def missing_tools() -> list[str]:
    """What this machine lacks, each with the remedy."""
    lacks = [
        f"{name} is not installed (apt-get install {PROGRAMS[name]})" for name in PROGRAMS if not shutil.which(name)
    ]
    return lacks + (["making the disk needs root"] if os.geteuid() else [])


def image(cache: Path) -> Image:
    """Made on the first call, in about a minute, complete or not at all.

    Raises:
        OSError, subprocess.SubprocessError: it cannot be made.
    """
    content = Path(__file__).read_text().encode()
    made = cache / f"vm-{SUITE}-{hashlib.sha256(content).hexdigest()[:12]}"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".vm-", dir=made.parent) as folder:
            work = Path(folder, "image")
            work.mkdir(mode=0o700)
            _make(Image(work), Path(folder, "root"))
            work.rename(made)
    return Image(made)


def _make(image: Image, root: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(image.key)], check=True)
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    command += ['--customize-hook=chroot "$1" systemctl enable ssh systemd-networkd', SUITE, str(root)]
    subprocess.run(command, check=True, timeout=MAKING_SECONDS, stdin=subprocess.DEVNULL)
    (root / "etc/apt/sources.list").write_text("")  # an unreachable mirror costs a minute of retries
    (root / "etc/hostname").write_text("vm\n")
    (root / "etc/systemd/network/10-vm.network").write_text(NETWORK)
    keys = root / "root/.ssh/authorized_keys"
    keys.parent.mkdir(mode=0o700, exist_ok=True)
    keys.write_bytes(image.key.with_suffix(".pub").read_bytes())
    for pattern, target in (("vmlinuz-*", image.kernel), ("initrd.img-*", image.initrd)):
        (found,) = (root / "boot").glob(pattern)
        shutil.copy(found, target)
    raw = image.folder / "disk.raw"
    subprocess.run(["mkfs.ext4", "-q", "-d", str(root), str(raw), SIZE], check=True)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(image.disk)], check=True)
    raw.unlink()
