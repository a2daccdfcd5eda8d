"""The pollers: a failing registry takes nothing away, a slow node holds up no other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import MagicMock

import aiohttp
import pytest
from aiohttp import web
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from inference_service import contract
from inference_service.gateway.discovery import FoundNode, Registry, node_filters, read_page
from inference_service.gateway.fleet import Fleet
from inference_service.gateway.polling import follow_discovery, follow_readiness


def node(name: str, address: str = "127.0.0.1") -> FoundNode:
    return FoundNode(name, address, "us-east-1a", "spot", "m")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the pollers tell nobody
            await asyncio.sleep(0.002)


async def running(work: Any, body: Callable[[], Awaitable[None]]) -> None:
    task = asyncio.create_task(work)
    try:
        await body()
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def fleet() -> Fleet:
    return Fleet(asyncio.get_running_loop().time)


@pytest.mark.parametrize("failure", [EndpointConnectionError(endpoint_url="x"), RuntimeError("a bug of the SDK")])
async def test_while_aws_fails_the_last_list_stays(failure: Exception):
    known, calls = fleet(), 0

    def list_nodes() -> tuple[FoundNode, ...]:
        nonlocal calls
        calls += 1
        if calls in (2, 3, 4, 5, 6):
            raise failure
        return (node("a"),) if calls == 1 else (node("a"), node("b"))

    async def watch() -> None:
        await until(lambda: calls == 6)
        assert set(known.nodes) == {"a"}
        await until(lambda: set(known.nodes) == {"a", "b"})

    await running(follow_discovery(known, list_nodes, 0.01), watch)


async def test_a_node_that_hangs_is_missed_and_holds_up_no_other(unused_tcp_port: int):
    hang, asked = asyncio.Event(), 0
    state = contract.STATE_LOADING

    async def ready(request: web.Request) -> web.Response:
        nonlocal asked
        host = request.url.host
        if host == "127.0.0.2":
            await hang.wait()
        asked += 1
        report = {"instance_id": "unknown", "model": "m", "state": state}
        return web.json_response(report, status=200 if state == contract.STATE_READY else 503)

    app = web.Application()
    app.router.add_get(contract.PATH_READY, ready)
    runner = web.AppRunner(app)
    await runner.setup()
    for host in ("127.0.0.1", "127.0.0.2"):
        await web.TCPSite(runner, host, unused_tcp_port).start()
    known = fleet()
    known.found([node("good"), node("slow", "127.0.0.2"), node("absent", "127.0.0.3")])

    async def watch() -> None:
        nonlocal state
        await until(lambda: known.nodes["good"].state == contract.STATE_LOADING)  # a 503 has a report too
        state = contract.STATE_READY
        await until(lambda: known.nodes["good"].routable)
        before = asked
        await until(lambda: known.nodes["slow"].missed_readiness >= 2)
        assert asked >= before + 5  # polled on, while the other one hung
        assert "does not answer" in (known.nodes["slow"].error or "")
        assert not known.nodes["slow"].routable

    async with aiohttp.ClientSession() as http:
        polls = follow_readiness(known, http, port=unused_tcp_port, seconds=0.01, timeout_seconds=0.2)
        await running(polls, watch)
    hang.set()
    await runner.cleanup()


async def test_a_wait_ends_when_a_node_becomes_routable_and_not_at_every_report():
    known = fleet()
    known.found([node("a")])
    report = {"instance_id": "a", "model": "m", "state": contract.STATE_LOADING}
    waiting = asyncio.create_task(known.wait_for_change(30))
    await asyncio.sleep(0)
    known.reported("a", report)
    known.reported("a", report)
    for _ in range(10):  # wait_for needs some turns of the loop to end
        await asyncio.sleep(0)
    assert not waiting.done()
    known.reported("a", report | {"state": contract.STATE_READY})
    await asyncio.wait_for(waiting, 1)


async def test_a_report_of_a_node_that_has_gone_is_forgotten():
    known = fleet()
    known.reported("a", {"instance_id": "a", "model": "m", "state": contract.STATE_READY})
    known.missed("a", "timeout")
    known.set_aside("a")
    assert known.nodes == {}


def test_a_client_made_before_there_were_credentials_is_made_anew():
    clients = [MagicMock(), MagicMock()]
    clients[0].get_paginator.side_effect = NoCredentialsError()
    clients[1].get_paginator.return_value.paginate.return_value = [{}]
    registry = Registry(iter(clients).__next__, "dev")
    with pytest.raises(NoCredentialsError):
        registry.nodes()
    assert registry.nodes() == ()


def test_ec2s_answer_becomes_nodes():
    def instance(name: str, **members: Any) -> dict[str, Any]:
        tags = [{"Key": contract.TAG_MODEL, "Value": "m"}]
        given = {
            "InstanceId": name,
            "PrivateIpAddress": "10.0.0.1",
            "Placement": {"AvailabilityZone": "z"},
            "Tags": tags,
        }
        return given | members

    page = {
        "Reservations": [
            {"Instances": [instance("i-1", InstanceLifecycle="spot"), instance("i-2")]},
            {"Instances": [instance("i-3", Tags=[]), instance("i-4", PrivateIpAddress=None)]},
        ]
    }
    assert list(read_page(page)) == [
        FoundNode("i-1", "10.0.0.1", "z", "spot", "m"),
        FoundNode("i-2", "10.0.0.1", "z", "on-demand", "m"),
    ]
    assert list(read_page({})) == []


def test_only_running_nodes_of_the_own_environment_are_asked_for():
    filters = {each["Name"]: each["Values"] for each in node_filters("dev")}
    assert filters == {
        "tag:warmfleet:role": ["node"],
        "tag:warmfleet:environment": ["dev"],
        "instance-state-name": ["running"],
    }
