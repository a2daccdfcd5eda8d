"""One process per running instance: how it is started, restarted and ended."""

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from local_cloud_making import instance, until

from localcloud import events
from localcloud.addresses import AddressClaim
from localcloud.cloud_state import read_problems
from localcloud.places import Places
from localcloud.problems import Problems
from localcloud.processes import MARK, identity
from localcloud.service_process import Machine, may_restart, processes
from localcloud.supervisor import Supervisor

STAND_INS = Path(__file__).parent / "stand_ins"


@dataclass
class Supervised:
    """A supervisor that follows the AWS stand-in of this process."""

    aws: Any
    prefix: str
    places: Places

    def set(self, *instances: dict[str, Any]) -> None:
        self.aws.instances = list(instances)
        self.aws.emit("instance-running")

    def make(self, **more: Any) -> dict[str, Any]:
        return instance(self.prefix, **more)

    @property
    def folder(self) -> Path:
        return self.places.instances / f"i-{1:017x}"

    def starts(self) -> list[dict[str, Any]]:
        return [json.loads(each.read_text()) for each in sorted(self.folder.glob("data/start-*.json"))]

    async def started(self, count: int = 1) -> dict[str, Any]:
        return (await until(lambda: len(self.starts()) >= count and self.starts(), f"start {count}"))[count - 1]


@pytest.fixture
async def supervised(aws: Any, addresses: AddressClaim, tmp_path: Path) -> AsyncIterator[Supervised]:
    places = Places.of(tmp_path)
    places.folder.mkdir()
    base = dict(os.environ) | {"PYTHONPATH": str(STAND_INS), "AWS_PROFILE": "production", "SECRET": "the user's"}

    def command(role: str) -> list[str]:
        return [sys.executable, "-m", f"stand_in_service.{role}"]

    machine = Machine(aws.url, places.folder, places.instances, base, command)
    problems = Problems(places)
    supervisor = Supervisor(aws.admin, processes(machine, problems), problems)

    async def no_balancers() -> None:
        return

    following = asyncio.create_task(events.follow(aws.admin, supervisor.refresh, no_balancers, problems))
    yield Supervised(aws, addresses.prefix, places)
    following.cancel()
    await asyncio.wait([following])
    await supervisor.stop()


async def test_a_service_gets_its_user_datas_variables_its_address_and_no_credentials(supervised: Supervised) -> None:
    supervised.set(supervised.make(WARMFLEET_REGION="us-east-1", WARMFLEET_MODEL="smollm2"))
    told = await supervised.started()
    given = told["environ"]
    assert 0 <= time.time() - float(given.pop("WARMFLEET_BOOTED_AT")) < 60
    instance_id = f"i-{1:017x}"
    assert {name: value for name, value in given.items() if name.startswith(("WARMFLEET_", "AWS_"))} == {
        "WARMFLEET_REGION": "us-east-1",
        "WARMFLEET_MODEL": "smollm2",
        "WARMFLEET_BIND_ADDRESS": f"{supervised.prefix}.1.1",
        "WARMFLEET_DATA_DIR": str(supervised.folder / "data"),
        "WARMFLEET_NETWORK_GUARD_LOG": os.environ["WARMFLEET_NETWORK_GUARD_LOG"],
        MARK: str(supervised.places.folder),
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": supervised.aws.url,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{supervised.aws.url}/_local/metadata/{instance_id}",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
    assert "SECRET" not in given
    assert told["cwd"] == str(supervised.folder)


async def test_user_data_cannot_move_a_service_to_another_address(supervised: Supervised) -> None:
    supervised.set(supervised.make(WARMFLEET_BIND_ADDRESS="0.0.0.0"))
    assert (await supervised.started())["environ"]["WARMFLEET_BIND_ADDRESS"] == f"{supervised.prefix}.1.1"


async def test_a_service_ends_with_its_instance_and_leaves_its_log_alone(supervised: Supervised) -> None:
    supervised.set(supervised.make())
    pid = (await supervised.started())["pid"]
    supervised.set(supervised.make(state="shutting-down"))
    await until(lambda: not (supervised.folder / "data").exists(), "the data's removal")
    assert identity(pid) is None
    assert (supervised.folder / "stdout.log").read_text() == "start 1\n"


async def test_a_stopped_instance_keeps_its_data_and_runs_again_when_started(supervised: Supervised) -> None:
    supervised.set(supervised.make())
    pid = (await supervised.started())["pid"]
    supervised.set(supervised.make(state="stopped"))
    await until(lambda: identity(pid) is None, "the service's end")
    supervised.set(supervised.make())
    assert (await supervised.started(2))["pid"] != pid


async def test_the_data_of_an_instance_goes_whichever_event_is_seen_last(supervised: Supervised) -> None:
    supervised.set(supervised.make())
    await supervised.started()
    supervised.set()  # EC2 forgets a terminated instance after a while
    await until(lambda: not (supervised.folder / "data").exists(), "the data's removal")


async def test_a_service_that_ignores_sigterm_is_killed_with_its_children(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localcloud.service_process.STOP_SECONDS", 0.2)
    supervised.set(supervised.make(WARMFLEET_ACT="stubborn"))
    told = await supervised.started()
    assert identity(told["child"])
    supervised.set()
    await until(lambda: identity(told["pid"]) is None and identity(told["child"]) is None, "both ends")


async def test_a_service_that_stops_by_itself_is_not_started_again(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second instance is started afterwards: by then the first would long have been started again."""
    monkeypatch.setattr("localcloud.service_process.RESTART_PAUSE_SECONDS", 0.0)
    supervised.set(supervised.make(WARMFLEET_ACT="exit 0"))
    pid = (await supervised.started())["pid"]
    await until(lambda: identity(pid) is None)
    supervised.set(supervised.make(WARMFLEET_ACT="exit 0"), supervised.make(number=2))
    await until(lambda: list(supervised.places.instances.glob(f"i-{2:017x}/data/start-1.json")))
    assert len(supervised.starts()) == 1
    assert read_problems(supervised.places.problems_file) == []


async def test_a_crashing_service_is_restarted_three_times_and_then_is_a_problem(
    supervised: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localcloud.service_process.RESTART_PAUSE_SECONDS", 0.01)
    supervised.set(supervised.make(WARMFLEET_ACT="exit 3"))
    (problem,) = await until(lambda: read_problems(supervised.places.problems_file), "the problem")
    assert len(supervised.starts()) == 4
    assert (problem.resource, problem.text) == (
        f"i-{1:017x}",
        "its service ended with code 3, crash 4 within 60 s; its last words: start 4",
    )
    assert str(supervised.folder / "stdout.log") in problem.remedy
    supervised.set()
    await until(lambda: read_problems(supervised.places.problems_file) == [], "the problem's end")


@pytest.mark.parametrize(
    ("crashes", "now", "restarted"),
    [([0], 0, True), ([0, 1, 2], 2, True), ([0, 1, 2, 3], 3, False), ([0, 1, 2, 60.5], 60.5, True)],
)
def test_only_crashes_of_the_last_minute_count(crashes: list[float], now: float, restarted: bool) -> None:
    assert may_restart(crashes, now) is restarted


async def test_unreadable_user_data_is_a_problem_of_its_instance_alone(supervised: Supervised) -> None:
    broken = supervised.make(number=2) | {"user_data": "#!/bin/bash\n"}
    supervised.set(broken, supervised.make())
    await supervised.started()
    (problem,) = read_problems(supervised.places.problems_file)
    assert problem.resource == f"i-{2:017x}"
    assert "infra/user_data.py" in problem.remedy


async def test_an_instance_without_a_role_runs_nothing(supervised: Supervised) -> None:
    supervised.set(supervised.make(number=2, role=None), supervised.make(number=3, role="../x"), supervised.make())
    await supervised.started()
    assert [each.name for each in supervised.places.instances.iterdir()] == [f"i-{1:017x}"]


async def test_a_service_whose_folder_cannot_be_made_is_a_problem(supervised: Supervised) -> None:
    supervised.places.instances.write_text("in the way")
    supervised.set(supervised.make())
    (problem,) = await until(lambda: read_problems(supervised.places.problems_file), "the problem")
    assert "cannot be started" in problem.text
    supervised.places.instances.unlink()
    shutil.rmtree(supervised.places.instances, ignore_errors=True)
