"""Streams over the loss of their node: a real gateway application, nodes that break as we like."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from inference_service import contract
from tests.contract.node_bytes import CHAT, DONE, END, FAILURE, HANDOVER, HEAD, STREAM, chunk, cut, event, sends

FINISH, SHOWN_FINISH = event("", "", '"stop"'), cut("", '"stop"')


REST = sends(HEAD, chunk(event("three", "9")), chunk(FINISH + DONE), END)
BEGUN = (HEAD, chunk(event("one", "7")), chunk(event("two", "8,1")))
WHOLE = cut("one") + cut("two") + cut("three") + SHOWN_FINISH + DONE


@pytest.mark.parametrize(
    "breaks",
    [
        sends(*BEGUN, close=True),
        sends(*BEGUN, chunk(event("lost", "6")[:30]), close=True),
        sends(*BEGUN, END),  # no [DONE]
        sends(*BEGUN, chunk(FINISH), END),  # a finish without its [DONE]
        sends(*BEGUN, chunk(FAILURE), END),
        sends(*BEGUN, chunk(FAILURE + DONE), END),
        sends(*BEGUN, chunk(HANDOVER), END),
    ],
)
async def test_another_node_goes_on_after_exactly_the_tokens_that_the_client_has(
    gate: Any, client: aiohttp.ClientSession, breaks: Any
):
    await gate.node(breaks)
    second = await gate.node(REST, in_flight=1)
    async with client.post(CHAT, json=STREAM) as answer:
        assert await answer.read() == WHOLE
    head, body = second.requests[0]
    assert json.loads(body) == STREAM | {"warmfleet": {"resume_token_ids": [7, 8, 1], "id": "a", "created": 5}}
    assert b"x-warmfleet-model-version: v1" in head.lower()
    async with client.get(contract.PATH_METRICS) as figures:
        lines = (await figures.text()).splitlines()
    assert f"{contract.METRIC_GATEWAY_RESUMED_STREAMS}_total 1.0" in lines
    assert f"{contract.METRIC_GATEWAY_BROKEN_STREAMS}_total 0.0" in lines
    assert f"{contract.METRIC_GATEWAY_TOKENS}_total 4.0" in lines


async def test_several_answers_reach_the_client_together_or_are_begun_anew(gate: Any, client: aiohttp.ClientSession):
    """Also where the node is lost between two of them: the first one's finish keeps all of it back."""
    held, ended = b": held back until it is complete\n\n", '"stop"'
    await gate.node(sends(HEAD, chunk(held), chunk(event("one", "7", ended)), close=True))
    both = event("eins", "5", ended) + event("zwei", "6", ended)
    second = await gate.node(sends(HEAD, chunk(held), chunk(both + DONE), END), in_flight=1)
    async with client.post(CHAT, json=STREAM | {"n": 2}) as answer:
        assert await answer.read() == held + held + cut("eins", ended) + cut("zwei", ended) + DONE
    assert json.loads(second.requests[0][1])["warmfleet"]["resume_token_ids"] == []


async def test_an_answer_goes_on_as_often_as_nodes_are_lost(gate: Any, client: aiohttp.ClientSession):
    await gate.node(sends(*BEGUN, close=True))
    await gate.node(sends(HEAD, chunk(event("and", "4")), chunk(event("so", "5")), close=True), in_flight=1)
    third = await gate.node(REST, in_flight=2)
    async with client.post(CHAT, json=STREAM) as answer:
        expected = cut("one") + cut("two") + cut("and") + cut("so") + cut("three") + SHOWN_FINISH + DONE
        assert await answer.read() == expected
    assert json.loads(third.requests[0][1])["warmfleet"]["resume_token_ids"] == [7, 8, 1, 4, 5]


async def test_only_a_node_of_the_same_version_goes_on(gate: Any, client: aiohttp.ClientSession):
    await gate.node(sends(*BEGUN, close=True))
    other = await gate.node(REST, in_flight=1, version="v2")
    same = await gate.node(REST, in_flight=2)
    async with client.post(CHAT, json=STREAM) as answer:
        assert await answer.read() == WHOLE
    assert (len(other.requests), len(same.requests)) == (0, 1)


@pytest.mark.parametrize("gate", [{"comment_seconds": 0.05}], indirect=True)
async def test_without_another_node_the_client_hears_that_it_waits_until_one_is_warm(
    gate: Any, client: aiohttp.ClientSession
):
    await gate.node(sends(*BEGUN, close=True))
    async with client.post(CHAT, json=STREAM) as answer:
        seen = b""
        while b": waiting" not in seen:
            seen += await answer.content.readany()
        await gate.node(REST)
        seen += await answer.read()
    assert b"".join(part + b"\n\n" for part in seen.split(b"\n\n")[:-1] if not part.startswith(b":")) == WHOLE


@pytest.mark.parametrize("gate", [{"resume_wait_seconds": 0.1}], indirect=True)
@pytest.mark.parametrize("deadline", [None, "0.2"])
async def test_the_wait_ends_in_a_typed_error(gate: Any, client: aiohttp.ClientSession, deadline: str | None):
    await gate.node(sends(*BEGUN, close=True))
    headers = {contract.HEADER_DEADLINE: deadline} if deadline else {}
    async with client.post(CHAT, json=STREAM, headers=headers) as answer:
        body = await answer.read()
    assert json.loads(body.split(b"\n\n")[-2][6:])["error"]["code"] == "stream_interrupted"
    assert b"[DONE]" not in body


async def test_an_answer_on_which_every_node_fails_does_not_go_round_the_fleet(
    gate: Any, client: aiohttp.ClientSession
):
    nodes = [await gate.node(sends(*BEGUN, chunk(FAILURE), END), sends(HEAD, chunk(FAILURE), END))]
    nodes += [await gate.node(sends(HEAD, chunk(FAILURE), END), in_flight=place) for place in range(1, 6)]
    async with client.post(CHAT, json=STREAM) as answer:
        assert await answer.read() == cut("one") + cut("two") + FAILURE
    assert sum(len(node.requests) for node in nodes) <= 4


async def test_a_client_that_leaves_ends_the_work_of_the_node_that_goes_on(gate: Any):
    await gate.node(sends(*BEGUN, close=True))
    second = await gate.node(sends(HEAD, chunk(event("three", "9")), then=asyncio.Event()), in_flight=1)
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(base_url=gate.url) as client:
        answer = await client.post(CHAT, json=STREAM)
        seen = b""
        while cut("three") not in seen:
            seen += await answer.content.readany()
        left = loop.time()
        answer.close()
        await asyncio.wait_for(second.left.wait(), 10)
    assert loop.time() - left < 0.1
    await gate.until(lambda: len(gate.gateway.streams) == 0)


async def test_a_client_that_leaves_while_another_node_begins_ends_that_too(gate: Any):
    await gate.node(sends(*BEGUN, close=True))
    second = await gate.node(sends(HEAD, then=asyncio.Event()), in_flight=1)
    async with aiohttp.ClientSession(base_url=gate.url) as client:
        answer = await client.post(CHAT, json=STREAM)
        await gate.until(lambda: len(second.requests) == 1)
        answer.close()
        await asyncio.wait_for(second.left.wait(), 10)
    await gate.until(lambda: gate.gateway.fleet.in_flight.total() == 0)
