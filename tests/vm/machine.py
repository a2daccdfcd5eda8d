"""A virtual machine with NVMe disks of its own, emulated by QEMU without KVM; root enters by ssh on loopback."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.ansible.programs import run
from tests.ports import free_port
from tests.scratch_checkout import eventually
from tests.vm.image import Image

BOOT_SECONDS, STOP_SECONDS, MEMORY = 240, 90, "768M"
DISK_MODEL = "QEMU NVMe Ctrl"  # QEMU's name for the controller; on AWS it is the role's default
APPEND = "root=/dev/vda rw console=ttyS0 quiet net.ifnames=1"


@dataclass
class Machine:
    """`folder` has its system disk, its NVMe disks and what its console said."""

    image: Image
    folder: Path
    port: int
    qemu: "subprocess.Popen[bytes] | None" = None

    def start(self, disks: list[Path]) -> None:
        """Until root can enter."""
        command = ["qemu-system-x86_64", "-machine", "pc,accel=tcg", "-cpu", "max", "-smp", "2", "-m", MEMORY]
        command += ["-nodefaults", "-display", "none"]
        command += ["-kernel", str(self.image.kernel), "-initrd", str(self.image.initrd), "-append", APPEND]
        command += ["-drive", f"file={self.folder / 'system.qcow2'},if=virtio,format=qcow2"]
        command += ["-netdev", f"user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"]
        command += ["-device", "virtio-net-pci,netdev=n", "-serial", f"file:{self.folder / 'console.log'}"]
        for number, disk in enumerate(disks):
            command += ["-drive", f"file={disk},if=none,format=raw,id=d{number}"]
            command += ["-device", f"nvme,serial=disk{number},drive=d{number}"]
        self.qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self._until_entered()

    def run(self, *words: str, check: bool = True, seconds: float = 120) -> "subprocess.CompletedProcess[str]":
        line = ["ssh", *self._ssh_options(), "-p", str(self.port), "root@127.0.0.1", *words]
        done = subprocess.run(
            line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
        )
        assert not check or done.returncode == 0, f"{words}: {done.stderr}{done.stdout}"
        return done

    def says(self, *words: str) -> str:
        return self.run(*words).stdout.strip()

    def reboot(self) -> None:
        before = self.says("cat", "/proc/sys/kernel/random/boot_id")
        self.run("systemctl", "reboot", check=False)
        again = ("cat", "/proc/sys/kernel/random/boot_id")
        eventually(
            lambda: (done := self.run(*again, check=False)).returncode == 0 and done.stdout.strip() != before,
            "another boot",
            seconds=BOOT_SECONDS,
        )

    def stop(self) -> None:
        """As `stop-instances`: the system disk stays."""
        assert self.qemu
        self.run("systemctl", "poweroff", check=False)
        self.qemu.wait(STOP_SECONDS)

    def apply(self, roles: list[str], **variables: object) -> str:
        """Roles of ansible/, over ssh; what Ansible said."""
        play = [{"hosts": "all", "gather_facts": True, "roles": roles}]
        file = self.folder / "play.yml"
        file.write_text(json.dumps(play))
        options = " ".join(self._ssh_options())
        host = f"vm ansible_host=127.0.0.1 ansible_port={self.port} ansible_user=root"
        (self.folder / "hosts").write_text(f"{host} ansible_ssh_common_args='{options}'\n")
        given = {"warmfleet_baking": False} | variables
        command = ["-i", str(self.folder / "hosts"), str(file), "-e", json.dumps(given)]
        done = run(self.folder, "ansible-playbook", *command, seconds=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _ssh_options(self) -> list[str]:
        known = "-oUserKnownHostsFile=/dev/null -oStrictHostKeyChecking=no -oLogLevel=ERROR -oConnectTimeout=10"
        # A machine that goes down may not close its connections: an unanswered one ends by itself.
        silence = "-oServerAliveInterval=5 -oServerAliveCountMax=6"
        return [f"-i{self.image.key}", *known.split(), *silence.split()]

    def _until_entered(self) -> None:
        eventually(lambda: self.run("true", check=False).returncode == 0, "ssh of the machine", seconds=BOOT_SECONDS)


@contextlib.contextmanager
def machine(image: Image, folder: Path) -> Iterator[Machine]:
    """Not started yet; nothing of it runs afterwards."""
    made = Machine(image, folder, free_port())
    system = ["-f", "qcow2", "-F", "qcow2", "-b", str(image.disk), str(folder / "system.qcow2")]
    subprocess.run(["qemu-img", "create", "-q", *system], check=True)
    try:
        yield made
    finally:
        if made.qemu and made.qemu.poll() is None:
            made.qemu.kill()
            made.qemu.wait()
