"""What the hosts' parts decide, without making any; tests/nodes makes them."""

import asyncio
import os
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from localcloud.admin import Instance, PendingImage
from localcloud.aws.addresses import AddressBook
from localcloud.errors import LocalCloudError
from localcloud.hosts import leftovers
from localcloud.hosts.images import Images
from localcloud.hosts.network import RANGE, candidates, choose, key_of
from localcloud.hosts.tools import missing_tools
from localcloud.supervisor import Supervisor


def test_the_hosts_network_depends_on_the_checkout_and_every_one_is_a_candidate_once() -> None:
    listed = list(candidates("warmfleet-1"))
    assert listed == list(candidates("warmfleet-1"))
    assert set(listed) == set(RANGE.subnets(new_prefix=24))
    assert len({next(candidates(f"warmfleet-{number}")) for number in range(20)}) > 10


def test_a_network_that_this_machine_has_a_route_to_is_passed_over() -> None:
    first, second, *_ = candidates("k")
    assert choose("k", []) == first
    assert choose("k", [IPv4Network("10.0.0.0/8"), IPv4Network(f"{first[9]}/32")]) == second
    with pytest.raises(LocalCloudError, match=r"routes into all of 198.18.0.0/15"):
        choose("k", [IPv4Network("198.0.0.0/8")])


def test_names_of_two_checkouts_differ_and_stay(tmp_path: Path) -> None:
    assert key_of(tmp_path / "a") == key_of(tmp_path / "a") != key_of(tmp_path / "b")


def test_hosts_get_the_addresses_after_the_bridges() -> None:
    book = AddressBook("127.99", IPv4Network("198.18.7.0/24"))
    assert [book.take_instance(), book.take_instance()] == ["198.18.7.2", "198.18.7.3"]
    assert book.take_balancer() == "127.99.255.1"
    for _ in range(251):
        last = book.take_instance()
    assert last == "198.18.7.254"
    with pytest.raises(LookupError):
        book.take_instance()


def test_an_image_made_here_lies_above_what_every_public_image_boots(tmp_path: Path) -> None:
    images = Images(tmp_path / "base", tmp_path / "made")
    assert images.lower("ami-1") == str(tmp_path / "base")
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    images.keep(PendingImage("ami-1", "i-1", "ami-public"), tmp_path / "first")
    images.keep(PendingImage("ami-2", "i-2", "ami-1"), tmp_path / "second")
    first, second, base = (tmp_path / each for each in ("made/ami-1/upper", "made/ami-2/upper", "base"))
    assert images.lower("ami-1") == f"{first}:{base}"
    assert images.lower("ami-2") == f"{second}:{first}:{base}"
    assert (second / "file").read_text() == "second"


def test_a_disk_that_cannot_be_copied_leaves_no_image(tmp_path: Path) -> None:
    images = Images(tmp_path / "base", tmp_path / "made")
    with pytest.raises(subprocess.CalledProcessError):
        images.keep(PendingImage("ami-1", "i-1", "ami-public"), tmp_path / "gone")
    assert list((tmp_path / "made").iterdir()) == []
    assert images.lower("ami-1") == str(tmp_path / "base")


def test_what_a_machine_lacks_for_hosts_is_said_with_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for tool in ("ip", "nsenter", "ssh-keygen"):
        (tmp_path / tool).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    need_root, missing = missing_tools()
    assert "need root" in need_root
    assert missing == "missing: apt-get install --no-install-recommends mmdebstrap systemd-container"


def test_nothing_of_hosts_is_looked_for_without_hosts(tmp_path: Path) -> None:
    assert leftovers.clear(tmp_path) == 0
    assert leftovers.mounts_below(Path("/")) != []


class Running:
    """What an instance is, as a scripted stand-in; its end takes until `ended` is set."""

    def __init__(self, said: list[str]) -> None:
        self.said = said
        self.ended = asyncio.Event()

    def start(self) -> None:
        self.said.append("start")

    async def stop(self, *, remove_data: bool) -> None:
        self.said.append(f"stop, data {'removed' if remove_data else 'kept'}")
        await self.ended.wait()

    def hasten(self) -> None:
        self.said.append("hasten")
        self.ended.set()

    def reboot(self) -> None:
        self.said.append("reboot")


def supervisor(said: list[str], made: list[Running]) -> tuple[Supervisor, Callable[..., None]]:
    def make(_: Instance) -> Running:
        made.append(Running(said))
        return made[-1]

    nothing: Any = None  # neither AWS nor problems are asked
    supervising = Supervisor(nothing, make, nothing)

    def follow(state: str = "running", reboots: int = 0) -> None:
        supervising.follow([Instance("i-1", state, "198.18.7.2", "", {}, reboots=reboots)])

    return supervising, follow


async def test_an_instance_that_is_started_again_while_it_stops_starts_after_its_end() -> None:
    said, made = list[str](), list[Running]()
    _, follow = supervisor(said, made)
    follow()
    follow("stopped")
    follow()
    await asyncio.sleep(0)
    assert said == ["start", "stop, data kept"]
    made[0].ended.set()
    for _ in range(3):  # the task's end, then what waits for it
        await asyncio.sleep(0)
    assert said == ["start", "stop, data kept", "start"]


async def test_rebootinstances_reboots_once_and_an_end_of_all_is_hastened() -> None:
    said = list[str]()
    supervising, follow = supervisor(said, [])
    follow()
    follow(reboots=1)
    follow(reboots=1)
    await supervising.stop()
    assert said == ["start", "reboot", "hasten", "stop, data removed"]
