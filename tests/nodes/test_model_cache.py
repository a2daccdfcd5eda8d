"""The node's data on a disk of the instance's own, from the first boot on; and a node whose disk is full.

The disk is a loop device of this machine under an NVMe disk's name; several as RAID 0 need the kernel's md, which hosts
here have not.
"""

import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from inference_service import contract
from inference_service.artifacts.activation import activate
from inference_service.artifacts.publish import publish
from inference_service.artifacts.store import ArtifactStore
from localcloud.aws.in_process import LocalAws
from tests.aws.first_boot.cases import SETTINGS
from tests.nodes.conftest import BUCKET, Instance
from tests.nodes.test_first_boot_on_a_host import lives, recap
from tests.scratch_checkout import eventually

SIZE = 1 << 30  # sparse
FOLDER = "/var/lib/warmfleet"
NAME = "nvme1n1"
soon = partial(eventually, seconds=60)

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A loop device, and beside it the file that it is made of."""
    file = tmp_path_factory.mktemp("disk") / "file"
    file.touch()
    os.truncate(file, SIZE)
    made = subprocess.run(["losetup", "--find", "--show", file], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"this machine has no loop device for the disk: {made.stderr.strip()}")
    yield file
    subprocess.run(["losetup", "--detach", made.stdout.strip()], check=True)


@pytest.fixture(scope="module")
def node(launch: Callable[[str], Instance], disk: Path) -> Instance:
    """A node after its first boot on an instance with one disk of its own."""
    instance = launch(contract.ROLE_NODE)
    give(instance, disk)
    instance.first_boot()
    return instance


def device(disk: Path) -> str:
    said = subprocess.run(["losetup", "--associated", disk], capture_output=True, text=True, check=True).stdout
    return said.partition(":")[0]


def give(instance: Instance, disk: Path) -> None:
    """The disk as the kernel shows one of instance store; until the host's next boot."""
    number = os.minor(os.stat(device(disk)).st_rdev)
    instance.host.run("mknod", f"/dev/{NAME}", "b", "7", str(number))
    instance.host.write(f"/srv/block/{NAME}/device/model", "Amazon EC2 NVMe Instance Storage        \n")
    instance.host.run("mount", "--bind", "/srv/block", "/sys/block")


def mounted(instance: Instance) -> str:
    """What is mounted at the node's folder, and how."""
    words = ["findmnt", "--noheadings", "--output", "SOURCE,FSTYPE,OPTIONS", "--mountpoint", FOLDER]
    return instance.host.run(*words, check=False).stdout.strip()


def readiness(instance: Instance) -> str:
    """Status and report."""
    url = f"http://{instance.address}:{contract.NODE_PORT}{contract.PATH_READY}"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return f"{answer.status} {answer.read().decode()}"
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode()}"


def test_a_first_boot_puts_the_nodes_data_on_the_instances_own_disk(node: Instance) -> None:
    assert lives(node, contract.ROLE_NODE) == 200
    source, kind, options = mounted(node).split()
    assert (source, kind) == (f"/dev/{NAME}", "ext4")
    assert {"noatime", "nodev", "nosuid"} <= set(options.split(","))
    assert node.host.run("stat", "-c", "%U %a", FOLDER).stdout == "warmfleet 750\n"
    shown = node.host.run("systemctl", "show", "-p", "ActiveState", "var-lib-warmfleet.mount").stdout
    assert shown == "ActiveState=active\n"
    assert recap(node.play("-e", "inference_node_engine=llama.cpp"))["changed"] == 0


def test_a_full_disk_is_why_a_node_is_not_ready_and_room_is_taken_when_there_is_some(
    aws: LocalAws, node: Instance, tmp_path: Path
) -> None:
    model = SETTINGS.models[0].name
    (tmp_path / "weights.gguf").write_bytes(b"GGUF" + bytes(996))
    store = ArtifactStore(aws.client("s3"), BUCKET)
    version = publish(store, model, [tmp_path / "weights.gguf"], progress=lambda _: None).version
    node.host.run("fallocate", "--length", "900MiB", f"{FOLDER}/filling")
    activate(store, model, version)
    said = soon(lambda: (text := readiness(node)).count("no disk space") and text, "the node's reason")
    assert "1000 bytes needed" in said
    assert FOLDER in said
    assert said.startswith("503 ")
    node.host.run("rm", f"{FOLDER}/filling")
    weights = f"{FOLDER}/models/{model}/{version}/weights.gguf"
    soon(lambda: node.host.run("test", "-e", weights, check=False).returncode == 0, "a complete download")


def test_what_was_there_before_a_reboot_is_used_again(node: Instance, disk: Path) -> None:
    node.host.run("touch", f"{FOLDER}/kept")
    node.host.run("systemctl", "disable", "warmfleet-node.service")  # it would start before its disk is there again
    node.host.reboot()
    assert mounted(node) == ""
    give(node, disk)
    node.host.run("systemctl", "restart", "warmfleet-cache.service")
    assert mounted(node).startswith(f"/dev/{NAME} ext4")
    assert node.host.run("ls", FOLDER).stdout.split().count("kept") == 1
    node.host.run("systemctl", "enable", "--now", "warmfleet-node.service")
    assert lives(node, contract.ROLE_NODE) == 200


def test_a_mount_point_that_something_else_uses_is_refused_before_anything_changes(
    launch: Callable[[str], Instance], node: Instance
) -> None:
    fresh = launch(contract.ROLE_NODE)
    shutil.copytree(node.host.root / "opt/warmfleet/bundles", fresh.host.root / "opt/warmfleet/bundles")
    fresh.host.run("mkdir", "-p", FOLDER)
    fresh.host.run("mount", "-t", "tmpfs", "somebodys", FOLDER)
    said = fresh.play("--tags", "baseline,service,model_cache")
    assert recap(said)["failed"] == 1
    assert f"{FOLDER} is where somebodys is mounted; unmount that, or mount it elsewhere" in " ".join(said.split())
    assert recap(said)["changed"] == 0
    assert mounted(fresh).startswith("somebodys")
