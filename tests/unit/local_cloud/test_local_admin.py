"""How the daemon reads the AWS process, and what it does while that is silent."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from local_cloud_making import instance, serving, until

from localcloud import events
from localcloud.addresses import AddressClaim
from localcloud.admin import Admin, HealthCheck, Listener, Target, TargetGroup
from localcloud.cloud_state import read_problems
from localcloud.errors import AdminError
from localcloud.places import Places
from localcloud.problems import Problems

CHECK = {
    "path": "/healthz",
    "port": "traffic-port",
    "interval_seconds": 10,
    "timeout_seconds": 5,
    "healthy_threshold": 3,
    "unhealthy_threshold": 2,
    "matcher": "200",
}
GROUP = {"arn": "tg", "port": 8080, "health_check": CHECK}
BALANCER = {
    "arn": "lb",
    "name": "web",
    "address": "127.77.255.1",
    "listeners": [{"port": 8080, "protocol": "HTTP", "target_group_arn": "tg"}],
    "target_groups": [GROUP | {"targets": [{"instance_id": "i-1", "address": "127.77.1.1", "port": 8081}]}],
}


async def test_load_balancers_are_read_with_the_defaults_of_an_application_load_balancer(aws: Any) -> None:
    aws.balancers = [BALANCER, BALANCER | {"name": "slow", "idle_timeout_seconds": 300}]
    read = await aws.admin.balancing()
    assert read.listeners == (
        Listener("web", "127.77.255.1", 8080, "HTTP", "tg", 60.0),
        Listener("slow", "127.77.255.1", 8080, "HTTP", "tg", 300.0),
    )
    check = HealthCheck("/healthz", "traffic-port", 10.0, 5.0, 3, 2, "200")
    assert read.target_groups == (TargetGroup("tg", check, (Target("i-1", "127.77.1.1", 8081),)),)


async def test_an_instance_that_has_no_address_or_user_data_yet_is_read_too(aws: Any) -> None:
    aws.instances = [instance("127.77") | {"private_ip": None, "user_data": None, "state": "pending"}]
    (read,) = await aws.admin.instances()
    assert (read.state, read.address, read.user_data) == ("pending", "", "")


@pytest.mark.parametrize("answer", [web.Response(status=500, text="boom"), web.Response(text="{half")])
async def test_anything_but_the_agreed_answer_is_an_error_that_names_the_route(
    answer: web.Response, addresses: AddressClaim
) -> None:
    app = web.Application()

    async def answering(_: web.Request) -> web.Response:
        return answer

    app.router.add_get("/_local/instances", answering)
    host = f"{addresses.prefix}.0.1"
    async with serving(app, host) as port, aiohttp.ClientSession() as http:
        with pytest.raises(AdminError, match="/_local/instances"):
            await Admin(http, f"http://{host}:{port}").instances()
    async with aiohttp.ClientSession() as http:
        with pytest.raises(AdminError, match="/_local/instances"):
            await Admin(http, f"http://{host}:{port}").instances()


@pytest.fixture
def problems(tmp_path: Path) -> Problems:
    places = Places.of(tmp_path)
    places.folder.mkdir()
    return Problems(places)


async def test_a_change_is_looked_at_by_whom_it_concerns(aws: Any, problems: Problems) -> None:
    looked: list[str] = []

    async def instances() -> None:
        looked.append("instances")

    async def balancers() -> None:
        looked.append("balancers")

    following = asyncio.create_task(events.follow(aws.admin, instances, balancers, problems))
    await until(lambda: aws.asked == 1)
    assert looked == ["instances", "balancers"]  # what was there before
    for count, kind in enumerate(["lifecycle", "instance-terminated", "lifecycle", "balancers-changed"], start=2):
        aws.emit(kind)
        await until(lambda count=count: aws.asked == count)
    assert looked[2:] == ["instances", "balancers"]
    following.cancel()
    await asyncio.wait([following])


async def test_a_silence_of_the_aws_process_is_a_problem_until_everything_was_looked_at_again(
    aws: Any, problems: Problems, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "RETRY_SECONDS", 0.01)
    path = Places.of(tmp_path).problems_file
    looked: list[str] = []
    silent = True

    async def instances() -> None:
        if silent:
            raise AdminError("no answer")
        looked.append("instances")

    async def balancers() -> None:
        looked.append("balancers")

    following = asyncio.create_task(events.follow(aws.admin, instances, balancers, problems))
    (problem,) = await until(lambda: read_problems(path), "the problem")
    assert (problem.resource, "no answer" in problem.text) == ("the local AWS", True)
    silent = False
    await until(lambda: looked == ["instances", "balancers"] and not read_problems(path), "the problem's end")
    following.cancel()
    await asyncio.wait([following])
