"""A host that vanishes without a word: its connections stay open, its readiness polls are missed."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from inference_service.gateway import handover
from inference_service.gateway.handover import QUIET_SECONDS
from inference_service.gateway.node_view import MOST_MISSED_POLLS
from tests.contract.node_bytes import CHAT, DONE, END, GOOD, HEAD, STREAM, WHOLE, answers, chunk, cut, event, sends

SILENT = sends(then=asyncio.Event())
BEGUN = sends(HEAD, chunk(event("one", "7")), then=asyncio.Event())
ANSWER = b'{"object":"chat.completion"}'
REST = cut("one") + cut("two") + DONE


def misses(gate: Any, node: Any, polls: int = MOST_MISSED_POLLS) -> None:
    for _ in range(polls):
        gate.gateway.fleet.missed(node.instance_id, "does not answer")


async def turns() -> None:
    """Whatever was going to happen at once has happened."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("body", "expected"), [(STREAM, REST), (WHOLE, ANSWER)], ids=["stream", "whole"])
@pytest.mark.parametrize("begins", [b"", HEAD], ids=["before the status line", "before the first token"])
async def test_what_has_not_begun_on_a_vanished_node_is_answered_by_another(
    gate: Any, client: aiohttp.ClientSession, body: dict[str, Any], expected: bytes, begins: bytes
):
    gone = await gate.node(sends(begins, then=asyncio.Event()))
    good = await gate.node(GOOD if body["stream"] else answers(200, ANSWER), in_flight=1)
    asking = asyncio.ensure_future(client.post(CHAT, json=body))
    await gate.until(lambda: len(gone.requests) == 1)
    misses(gate, gone, MOST_MISSED_POLLS - 1)
    await turns()
    assert not asking.done()
    assert good.requests == [], "two lost packets are no lost node"
    misses(gate, gone, 1)
    async with await asking as answer:
        assert (answer.status, await answer.read()) == (200, expected)
    assert len(good.requests) == 1
    assert gate.gateway.fleet.in_flight.total() == 0


async def test_where_no_other_node_is_warm_it_waits_for_one(gate: Any, client: aiohttp.ClientSession):
    gone = await gate.node(SILENT)
    asking = asyncio.ensure_future(client.post(CHAT, json=WHOLE))
    await gate.until(lambda: len(gone.requests) == 1)
    misses(gate, gone)
    gate.nodes = [node for node in gate.nodes if node.instance_id != gone.instance_id]
    for _ in range(MOST_MISSED_POLLS):
        gate.gateway.fleet.found(gate.nodes)  # EC2 has forgotten it
    await turns()
    assert not asking.done()
    await gate.node(answers(200, ANSWER))
    async with await asking as answer:
        assert (answer.status, await answer.read()) == (200, ANSWER)


async def test_a_node_that_answers_again_keeps_its_request(gate: Any, client: aiohttp.ClientSession):
    go = asyncio.Event()
    slow = await gate.node(
        sends(then=go, last=b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER))
    )
    asking = asyncio.ensure_future(client.post(CHAT, json=WHOLE))
    await gate.until(lambda: len(slow.requests) == 1)
    misses(gate, slow)
    gate.tell(slow.instance_id, slow.host)
    other = await gate.node(answers(200, ANSWER))
    await turns()
    go.set()
    async with await asking as answer:
        assert answer.status == 200
    assert other.requests == []


async def test_a_stream_goes_on_from_another_node_after_the_tokens_that_the_client_has(
    gate: Any, client: aiohttp.ClientSession
):
    gone = await gate.node(BEGUN)
    async with client.post(CHAT, json=STREAM) as answer:
        assert await answer.content.readany() == cut("one")
        good = await gate.node(sends(HEAD, chunk(event("two", "8") + DONE), END))
        now, streams, fleet = asyncio.get_running_loop().time(), gate.gateway.streams, gate.gateway.fleet
        assert handover.leave_given_up(streams, fleet, now + QUIET_SECONDS) == 0  # quiet, but it answers polls
        misses(gate, gone)
        assert handover.leave_given_up(streams, fleet, now + QUIET_SECONDS) == 1
        assert await answer.read() == cut("two") + DONE
    assert json.loads(good.requests[0][1])["warmfleet"]["resume_token_ids"] == [7]


async def test_a_stream_that_still_moves_stays_and_so_does_one_without_another_node(
    gate: Any, client: aiohttp.ClientSession
):
    go = asyncio.Event()
    busy = await gate.node(sends(HEAD, chunk(event("one", "7")), then=go, last=chunk(event("two") + DONE) + END))
    async with client.post(CHAT, json=STREAM) as answer:
        assert await answer.content.readany() == cut("one")
        now, streams, fleet = asyncio.get_running_loop().time(), gate.gateway.streams, gate.gateway.fleet
        misses(gate, busy)
        assert handover.leave_given_up(streams, fleet, now + QUIET_SECONDS + 1) == 0
        await gate.node(GOOD)
        (stream,) = streams
        stream.moved_at = now + QUIET_SECONDS
        assert handover.leave_given_up(streams, fleet, now + QUIET_SECONDS + 1) == 0
        go.set()
        assert await answer.read() == cut("two") + DONE


async def test_a_node_that_vanishes_while_it_takes_a_stream_over_does_not_cut_it(
    gate: Any, client: aiohttp.ClientSession
):
    await gate.node(sends(HEAD, chunk(event("one", "7")), close=True))
    gone = await gate.node(SILENT, in_flight=1)
    third = await gate.node(sends(HEAD, chunk(event("two", "8") + DONE), END), in_flight=2)
    async with client.post(CHAT, json=STREAM) as answer:
        await gate.until(lambda: len(gone.requests) == 1)
        misses(gate, gone)
        assert await answer.read() == REST
    assert json.loads(third.requests[0][1])["warmfleet"]["resume_token_ids"] == [7]


async def test_polls_that_all_nodes_miss_and_then_answer_end_no_request(gate: Any, client: aiohttp.ClientSession):
    """The gateway's own network, or its event loop, was busy: misses come one by one, and so do the answers after."""
    silent = sends(then=asyncio.Event())
    nodes = [await gate.node(silent) for _ in range(4)]
    asking = [asyncio.ensure_future(client.post(CHAT, json=WHOLE)) for _ in range(8)]
    await gate.until(lambda: sum(len(each.requests) for each in nodes) == 8)
    for _ in range(MOST_MISSED_POLLS):
        for node in nodes:
            misses(gate, node, 1)
    await turns()
    for node in nodes:
        gate.tell(node.instance_id, node.host)
    await turns()
    assert [each.done() for each in asking] == [False] * 8
    assert sum(len(each.requests) for each in nodes) == 8
    for each in asking:
        each.cancel()
