"""What the program of the role `model_cache` decides, from what it sees of the instance's disks."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / "ansible/roles/model_cache/files/warmfleet_cache.py"
FOLDER, SHARED = "/var/lib/warmfleet", "/opt/dlami/nvme"


def program() -> Any:
    specification = importlib.util.spec_from_file_location("warmfleet_cache", FILE)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


cache = program()


def disk(number: int, kind: str = "", label: str = "", holders: tuple[str, ...] = ()) -> Any:
    return cache.Disk(f"/dev/nvme{number}n1", kind, label, list(holders))


def decided(*disks: Any, mount: object = None, used: bool = False, shared: bool = False) -> tuple[list[str], str]:
    """The commands, the last being what is mounted; the sentence."""
    plan = cache.decide(cache.Seen(FOLDER, list(disks), mount, used, shared), SHARED)
    return [*map(" ".join, plan.commands), *(["mount " + " ".join(plan.mount)] if plan.mount else [])], plan.said


def test_one_new_disk_is_formatted_and_mounted() -> None:
    (made, mounted), said = decided(disk(1))
    assert made.startswith("mkfs.ext4 ")
    assert made.endswith("-L warmfleet-cache /dev/nvme1n1")
    assert mounted == "mount /dev/nvme1n1 ext4 noatime,nodev,nosuid"
    assert said == f"{FOLDER} is on /dev/nvme1n1"


def test_a_disk_that_was_set_up_before_a_reboot_keeps_its_content() -> None:
    (mounted,), _ = decided(disk(1, "ext4", "warmfleet-cache"))
    assert mounted.startswith("mount /dev/nvme1n1 ext4 ")


def test_several_new_disks_become_one_raid_0() -> None:
    (array, made, mounted), said = decided(disk(1), disk(2), disk(3))
    assert array.startswith("mdadm --create /dev/md/warmfleet-cache --run --level=0 ")
    assert array.endswith("--raid-devices=3 /dev/nvme1n1 /dev/nvme2n1 /dev/nvme3n1")
    assert made.endswith(" /dev/md/warmfleet-cache")
    assert mounted.startswith("mount /dev/md/warmfleet-cache ext4 ")
    assert "3 disks as RAID 0" in said


@pytest.mark.parametrize(("holders", "device"), [((), "/dev/md/warmfleet-cache"), (("md127",), "/dev/md127")])
def test_an_array_that_was_made_before_a_reboot_is_assembled_or_already_there(
    holders: tuple[str, ...], device: str
) -> None:
    members = [disk(number, "linux_raid_member", "any:warmfleet-cache", holders) for number in (1, 2)]
    commands, _ = decided(*members)
    assert commands[-1].startswith(f"mount {device} ext4 ")
    assert [each.split()[1] for each in commands[:-1]] == ([] if holders else ["--assemble"])


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        ({}, "is on the root volume: the instance has no disks of its own"),
        ({"mount": cache.OURS}, "is on the instance's own disks already"),
        ({"used": True}, "is on the root volume: the instance has no disks of its own"),
    ],
)
def test_nothing_is_done_where_there_is_nothing_to_do(seen: dict[str, Any], sentence: str) -> None:
    commands, said = decided(**seen)
    assert commands == []
    assert sentence in said


def test_content_on_the_root_volume_is_never_hidden() -> None:
    commands, said = decided(disk(1), used=True)
    assert commands == []
    assert "has content on the root volume and stays there" in said


def test_a_mount_point_of_somebody_elses_is_refused_with_its_source() -> None:
    with pytest.raises(cache.RefusedError, match=r"/var/lib/warmfleet is where /dev/sdf is mounted; unmount that"):
        decided(disk(1), mount="/dev/sdf")


@pytest.mark.parametrize(
    ("taken", "named"),
    [
        (disk(1, "xfs", "data"), "/dev/nvme1n1 has xfs, labelled data"),
        (disk(1, "LVM2_member", "", ("dm-0",)), "and dm-0 is built on it"),
        (disk(1, "", "", ("dm-0",)), "has no file system, and dm-0 is built on it"),
        (disk(1, "linux_raid_member", "any:data"), "has linux_raid_member, labelled any:data"),
        (disk(1, "partitions (gpt)"), "has partitions"),
    ],
)
def test_disks_of_somebody_elses_are_refused_or_shared(taken: Any, named: str) -> None:
    with pytest.raises(cache.RefusedError, match=r"nothing is mounted at /opt/dlami/nvme to share") as refused:
        decided(disk(2), taken)
    assert named in str(refused.value)
    commands, said = decided(disk(2), taken, shared=True)
    assert commands[0] == f"mkdir -p {SHARED}/warmfleet-cache"
    assert commands[1] == f"mount {SHARED}/warmfleet-cache none bind"
    assert said == f"{FOLDER} shares {SHARED}"


def test_disks_are_told_by_the_model_of_their_controller(tmp_path: Path) -> None:
    models = {"nvme0n1": "Amazon Elastic Block Store", "nvme2n1": "Amazon EC2 NVMe Instance Storage", "nvme1n1": None}
    for name, model in models.items():
        (tmp_path / "sys" / name / "device").mkdir(parents=True)
        (tmp_path / "dev").mkdir(exist_ok=True)
        (tmp_path / "dev" / name).write_bytes(bytes(1 << 16))
        if model:
            (tmp_path / "sys" / name / "device" / "model").write_text(model.ljust(40) + "\n")
    seen = cache.look(
        str(tmp_path / "none"), "Amazon EC2 NVMe Instance Storage", "/none", tmp_path / "sys", tmp_path / "dev"
    )
    assert [each.path for each in seen.disks] == [str(tmp_path / "dev" / "nvme2n1")]
    assert (seen.mount, seen.used, seen.shared) == (None, False, False)


def test_the_mounted_root_of_this_machine_is_seen_as_somebody_elses() -> None:
    seen = cache.look("/", "no such model", "/none")
    assert isinstance(seen.mount, str)
    assert seen.used
