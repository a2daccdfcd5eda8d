"""Streams whose node has to leave: what it cannot complete in time moves first, what it can stays."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from inference_service import contract
from inference_service.gateway import handover
from inference_service.gateway.stream_memory import MEASURED_SECONDS
from tests.contract.node_bytes import CHAT, DONE, END, HEAD, STREAM, chunk, cut, event, sends

PACE_SECONDS = 0.02
LEFT_SECONDS = 10.0
GOES_ON = sends(HEAD, chunk(event("rest", "9")), chunk(event("", "", '"stop"') + DONE), END)


def paced(stop: asyncio.Event) -> Any:
    """A node that decodes fifty tokens a second until it is told to end its answer."""

    async def behave(node: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        while not stop.is_set():
            writer.write(chunk(event("x", "7")))
            await writer.drain()
            await asyncio.sleep(PACE_SECONDS)
        writer.write(chunk(event("", "", '"stop"') + DONE) + END)

    return behave


def leaves(gate: Any, node: Any, seconds: float = LEFT_SECONDS) -> None:
    gate.tell(node.instance_id, node.host, state=contract.STATE_DRAINING, drain_seconds_left=seconds, in_flight=2)


async def measured(gate: Any, count: int) -> None:
    """Until so many streams have run long enough for a pace."""
    loop = asyncio.get_running_loop()

    def long_enough() -> bool:
        carried = [each.carried for each in gate.gateway.streams if each.carried]
        return len(carried) == count and all(loop.time() - each.since >= MEASURED_SECONDS for each in carried)

    await gate.until(long_enough)


async def test_a_stream_that_cannot_be_complete_in_time_moves_while_its_node_still_works(
    gate: Any, client: aiohttp.ClientSession
):
    """At fifty tokens a second ten seconds are enough for 60 tokens, and not for 10,000."""
    stop = asyncio.Event()
    first = await gate.node(paced(stop))
    async with (
        client.post(CHAT, json=STREAM | {"max_tokens": 60}) as short,
        client.post(CHAT, json=STREAM | {"max_tokens": 10_000}) as long,
        client.post(CHAT, json=STREAM) as unlimited,
    ):
        await measured(gate, 3)
        second = await gate.node(GOES_ON)
        leaves(gate, first)
        now = asyncio.get_running_loop().time()
        assert handover.move(gate.gateway.streams, gate.gateway.fleet, now) == 1
        told = await long.read()
        stop.set()
        stayed = [await short.read(), await unlimited.read()]
    assert told.endswith(cut("x") + cut("rest") + cut("", '"stop"') + DONE)
    resumed = json.loads(second.requests[0][1])["warmfleet"]["resume_token_ids"]
    assert resumed == [7] * told.count(cut("x")), "the other node goes on after exactly what the client has"
    assert len(second.requests) == 1
    for each in stayed:
        assert each.endswith(cut("x") + cut("", '"stop"') + DONE)


@pytest.mark.parametrize("other", [None, {"version": "v2"}, {"slots": 1, "in_flight": 1}])
async def test_without_room_elsewhere_it_stays_as_long_as_its_node_does(
    gate: Any, client: aiohttp.ClientSession, other: dict[str, Any] | None
):
    stop = asyncio.Event()
    first = await gate.node(paced(stop))
    async with client.post(CHAT, json=STREAM | {"max_tokens": 10_000}) as answer:
        await measured(gate, 1)
        if other:
            await gate.node(GOES_ON, **other)
        leaves(gate, first)
        assert handover.move(gate.gateway.streams, gate.gateway.fleet, asyncio.get_running_loop().time()) == 0
        stop.set()
        assert (await answer.read()).endswith(cut("x") + cut("", '"stop"') + DONE)


async def test_as_many_move_as_there_is_room_for_the_latest_first(gate: Any, client: aiohttp.ClientSession):
    stop = asyncio.Event()
    first = await gate.node(paced(stop))
    async with (
        client.post(CHAT, json=STREAM | {"max_tokens": 5_000}) as sooner,
        client.post(CHAT, json=STREAM | {"max_tokens": 9_000}) as later,
    ):
        await measured(gate, 2)
        await gate.node(GOES_ON, slots=2, in_flight=1)
        leaves(gate, first)
        assert handover.move(gate.gateway.streams, gate.gateway.fleet, asyncio.get_running_loop().time()) == 1
        assert cut("rest") in await later.read()
        stop.set()
        assert cut("rest") not in await sooner.read()


async def test_a_node_that_is_not_leaving_keeps_its_streams(gate: Any, client: aiohttp.ClientSession):
    stop = asyncio.Event()
    await gate.node(paced(stop))
    async with client.post(CHAT, json=STREAM | {"max_tokens": 10_000}) as answer:
        await measured(gate, 1)
        await gate.node(GOES_ON)
        assert handover.move(gate.gateway.streams, gate.gateway.fleet, asyncio.get_running_loop().time()) == 0
        stop.set()
        assert cut("rest") not in await answer.read()


async def test_a_running_gateway_looks_by_itself(gate: Any, client: aiohttp.ClientSession):
    first = await gate.node(paced(asyncio.Event()))
    watching = asyncio.create_task(handover.watch(gate.gateway.streams, gate.gateway.fleet))
    async with client.post(CHAT, json=STREAM | {"max_tokens": 10_000}) as answer:
        await gate.node(GOES_ON)
        leaves(gate, first)
        assert cut("rest") in await answer.read()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


def held_back(stop: asyncio.Event) -> Any:
    """A node that says nothing but comments until its answer is complete."""

    async def behave(node: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        while not stop.is_set():
            writer.write(chunk(b": held back until it is complete\n\n"))
            await writer.drain()
            await asyncio.sleep(PACE_SECONDS)
        writer.write(chunk(event("all of it", "7") + event("", "", '"stop"') + DONE) + END)

    return behave


async def test_a_stream_that_is_held_back_stays_for_nobody_knows_how_long_it_takes(
    gate: Any, client: aiohttp.ClientSession
):
    stop = asyncio.Event()
    first = await gate.node(held_back(stop))
    asked = asyncio.create_task(client.post(CHAT, json=STREAM | {"max_tokens": 10_000}))
    await measured(gate, 1)
    second = await gate.node(GOES_ON)
    leaves(gate, first)
    assert handover.move(gate.gateway.streams, gate.gateway.fleet, asyncio.get_running_loop().time()) == 0
    stop.set()
    async with await asked as answer:
        told = await answer.read()
    assert told.endswith(cut("all of it") + cut("", '"stop"') + DONE)
    assert second.requests == []
