"""What containers cannot show: several NVMe disks as one RAID 0, and kernel parameters, under a kernel of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.pulumi_build import cache_home
from tests.ansible.programs import NEEDS
from tests.vm.image import image, missing_tools
from tests.vm.machine import DISK_MODEL, Machine, machine

DATA, DISK_BYTES = "/var/lib/warmfleet", 256 << 20
VARIABLES = {"baseline_connection": "ssh", "service_data": DATA, "model_cache_disk_model": DISK_MODEL}
ROLES = ["baseline", "model_cache"]

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1200), NEEDS]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """With two empty disks of its own, before any role was applied."""
    if lacks := missing_tools():
        pytest.skip("; ".join(lacks))
    folder = tmp_path_factory.mktemp("vm")
    with machine(image(cache_home(os.environ)), folder) as made:
        made.start(empty_disks(folder))
        yield made


@pytest.fixture(scope="module")
def configured(started: Machine) -> Machine:
    """After both roles and a reboot: what they have set up runs by itself."""
    started.apply(ROLES, **VARIABLES)
    started.reboot()
    return started


def empty_disks(folder: Path) -> list[Path]:
    disks = [folder / "disk0", folder / "disk1"]
    for disk in disks:
        disk.unlink(missing_ok=True)
        disk.touch()
        os.truncate(disk, DISK_BYTES)
    return disks


def mounted(vm: Machine) -> tuple[str, str, int]:
    """Of the node's folder: level and members of the array below it, file system, bytes."""
    source, kind, size = vm.says("findmnt", "-bnro", "SOURCE,FSTYPE,SIZE", "--mountpoint", DATA).split()
    array = vm.says("readlink", "-f", source).removeprefix("/dev/")
    (line,) = [line for line in vm.says("cat", "/proc/mdstat").splitlines() if line.startswith(f"{array} :")]
    _, _, _, level, *members = line.split()
    return f"{level} of {len(members)}", kind, int(size)


def test_two_disks_are_one_raid_0_from_the_next_boot_on(configured: Machine) -> None:
    level, kind, size = mounted(configured)
    assert (level, kind) == ("raid0 of 2", "ext4")
    assert size > 1.8 * DISK_BYTES
    configured.run("touch", f"{DATA}/kept")


def test_the_array_is_assembled_again_with_its_content_after_a_reboot(configured: Machine) -> None:
    configured.run("touch", f"{DATA}/kept")
    configured.reboot()
    assert mounted(configured)[:2] == ("raid0 of 2", "ext4")
    assert configured.says("ls", DATA).split().count("kept") == 1


def test_a_second_run_changes_nothing(configured: Machine) -> None:
    assert " changed=0 " in configured.apply(ROLES, **VARIABLES)


def test_after_a_stop_the_disks_are_new_and_so_is_the_array(configured: Machine) -> None:
    configured.run("touch", f"{DATA}/kept")
    configured.stop()
    configured.start(empty_disks(configured.folder))
    assert mounted(configured)[:2] == ("raid0 of 2", "ext4")
    assert "kept" not in configured.says("ls", DATA).split()


def test_the_kernel_has_every_parameter_that_baseline_sets(configured: Machine) -> None:
    lines = configured.says("cat", "/etc/sysctl.d/60-warmfleet.conf").splitlines()
    wanted = dict(line.split(" = ") for line in lines if " = " in line)
    assert len(wanted) > 10
    names = list(wanted)
    found = configured.says("sysctl", "-n", *names).splitlines()
    assert dict(zip(names, found, strict=True)) == wanted


def test_modules_that_no_node_needs_cannot_be_loaded(configured: Machine) -> None:
    assert configured.run("modprobe", "udf", check=False).returncode != 0
    assert "udf" not in configured.says("cat", "/proc/modules")
