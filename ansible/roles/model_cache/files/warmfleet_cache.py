#!/usr/bin/python3
"""Puts a folder on the instance's own NVMe disks: one as it is, several as RAID 0. None: it stays on the root volume.

Runs before the node, at each boot. The disks keep their content over a reboot and are new and empty after a stop
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-store-lifetime.html); it can all be had again.
Disks are told by their controller's model: their order and names differ from boot to boot
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/nvme-ebs-volumes.html).
"""

import argparse
import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

LABEL = "warmfleet-cache"  # ext4 takes 16 bytes
ARRAY = f"/dev/md/{LABEL}"
OPTIONS = "noatime,nodev,nosuid"

# type and label: of the file system or array on it, "" for none. holders: what is built on it, such as md127.
Disk = namedtuple("Disk", "path type label holders")
# mount: what is mounted at the folder; None, OURS, or its source. shared: whether the folder to share is a mount.
Seen = namedtuple("Seen", "folder disks mount used shared")
OURS = object()
# commands: run one after another; mount: what is mounted afterwards, as a unit that is gone with this boot.
Plan = namedtuple("Plan", "commands mount said")
Mounted = namedtuple("Mounted", "what type options")
UNITS = Path("/run/systemd/system")
UNIT = """[Unit]
Description=Warmfleet: the node's data on this instance's own disks
Before=warmfleet-node.service

[Mount]
What={what}
Where={where}
Type={type}
Options={options}
"""


class RefusedError(Exception):
    """Nothing has been changed; the text says why and what to do."""


def decide(seen, shared_folder):
    """What to do, and a sentence that says what that makes of the folder."""
    if seen.mount is OURS:
        return Plan([], None, f"{seen.folder} is on the instance's own disks already")
    if seen.mount:
        raise RefusedError(f"{seen.folder} is where {seen.mount} is mounted; unmount that, or mount it elsewhere")
    if not seen.disks:
        return Plan([], None, f"{seen.folder} is on the root volume: the instance has no disks of its own")
    if seen.used:
        return Plan([], None, f"{seen.folder} has content on the root volume and stays there: disks would hide it")
    foreign = [disk for disk in seen.disks if not _free_or_ours(disk)]
    if not foreign:
        return _plain(seen) if len(seen.disks) == 1 else _array(seen)
    if seen.shared:
        own = f"{shared_folder}/{LABEL}"
        return Plan([["mkdir", "-p", own]], Mounted(own, "none", "bind"), f"{seen.folder} shares {shared_folder}")
    each = "; ".join(f"{disk.path} has {disk.type or 'no file system'}, {_built_on(disk)}" for disk in foreign)
    raise RefusedError(f"{each}: not ours, and nothing is mounted at {shared_folder} to share; free them, or do that")


def _plain(seen):
    (disk,) = seen.disks
    made = [] if disk.type == "ext4" else [_format(disk.path)]
    return Plan(made, Mounted(disk.path, "ext4", OPTIONS), f"{seen.folder} is on {disk.path}")


def _array(seen):
    """What was made before a reboot is used again."""
    paths = [disk.path for disk in seen.disks]
    said = f"{seen.folder} is on {len(paths)} disks as RAID 0: {', '.join(paths)}"
    if all(disk.type == "linux_raid_member" for disk in seen.disks):
        holders = {holder for disk in seen.disks for holder in disk.holders}
        array = f"/dev/{holders.pop()}" if len(holders) == 1 else ARRAY
        again = [] if array != ARRAY else [["mdadm", "--assemble", ARRAY, *paths]]
        return Plan(again, Mounted(array, "ext4", OPTIONS), said)
    create = ["mdadm", "--create", ARRAY, "--run", "--level=0", "--metadata=1.2", "--homehost=any", f"--name={LABEL}"]
    create += [f"--raid-devices={len(paths)}", *paths]
    return Plan([create, _format(ARRAY)], Mounted(ARRAY, "ext4", OPTIONS), said)


def _free_or_ours(disk):
    ours = disk.label.rpartition(":")[2] == LABEL  # of arrays it is host:name
    array = disk.type == "linux_raid_member" and ours
    plain = disk.type == "" or (disk.type == "ext4" and ours)
    return array or (plain and not disk.holders)


def _built_on(disk):
    return f"and {', '.join(disk.holders)} is built on it" if disk.holders else f"labelled {disk.label or 'nothing'}"


def _format(device):
    # EC2 has trimmed the disk; the inode tables are written while the file system is in use.
    return ["mkfs.ext4", "-q", "-m", "0", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1", "-L", LABEL, device]


def apply(plan, folder):
    for command in plan.commands:
        subprocess.run(command, check=True)
    if plan.mount:
        command = ["systemd-escape", "--path", "--suffix=mount", folder]
        name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        UNITS.mkdir(parents=True, exist_ok=True)
        (UNITS / name).write_text(UNIT.format(where=folder, **plan.mount._asdict()))
        subprocess.run(["systemctl", "daemon-reload"], check=True)
        subprocess.run(["systemctl", "start", name], check=True)


def look(folder, model, shared_folder, sys_block=Path("/sys/block"), dev=Path("/dev")):
    disks = [_look_at(dev / block.name, block) for block in sorted(sys_block.glob("nvme*n*")) if _model(block) == model]
    source = _mounted_at(folder)
    ours = {os.stat(disk.path).st_rdev for disk in disks} | {
        os.stat(dev / holder).st_rdev for disk in disks for holder in disk.holders
    }
    shared = _mounted_at(shared_folder)
    ours |= {shared.device} if shared and source and source.root.endswith(f"/{LABEL}") else set()
    mount = source and (OURS if source.device in ours else source.what)
    used = os.path.isdir(folder) and bool(set(os.listdir(folder)) - {"lost+found"})
    return Seen(folder, disks, mount, used, shared is not None)


def _model(block):
    try:
        return (block / "device" / "model").read_text().strip()
    except OSError:
        return ""


def _look_at(path, block):
    said = subprocess.run(["blkid", "--probe", "--output", "export", path], capture_output=True, text=True).stdout
    found = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    if "PTTYPE" in found:
        found.setdefault("TYPE", f"partitions ({found['PTTYPE']})")
    holders = sorted(os.listdir(block / "holders")) if (block / "holders").is_dir() else []
    return Disk(str(path), found.get("TYPE", ""), found.get("LABEL", ""), holders)


Point = namedtuple("Point", "device root what")


def _mounted_at(folder):
    """The uppermost mount at a folder (proc_pid_mountinfo(5)), or None."""
    found = None
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        _, _, device, root, where, *_ = fields.split()
        if where == folder:
            major, minor = map(int, device.split(":"))
            found = Point(os.makedev(major, minor), root, rest.split()[1])
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--model", required=True, help="of the disks' controllers")
    parser.add_argument(
        "--share", required=True, metavar="FOLDER", help="where the image itself mounts the disks, if so"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    given = parser.parse_args()
    try:
        plan = decide(look(given.folder, given.model, given.share), given.share)
        if not given.dry_run:
            apply(plan, given.folder)
    except RefusedError as error:
        sys.exit(f"warmfleet-cache: {error}")
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"warmfleet-cache: {error}; {given.folder} stays on the root volume")
    print(plan.said)


if __name__ == "__main__":
    main()
