"""What a request under an Idempotency-Key becomes inside its gateway, and how long it goes on without its client."""

import asyncio
from typing import Any

import aiohttp
import pytest
import structlog.testing

from inference_service import contract
from inference_service.gateway.idempotency import identity_of
from tests.contract.node_bytes import CHAT, HEAD, STREAM, WHOLE, answers, chunk, event, sends

KEY = {contract.HEADER_IDEMPOTENCY_KEY: "inside"}


@pytest.mark.parametrize("spelled", [contract.HEADER_KEY_NAME, contract.HEADER_KEY_NAME.upper()])
async def test_no_client_names_its_own_key_or_two_ids_for_one_request(
    gate: Any, client: aiohttp.ClientSession, spelled: str
):
    node = await gate.node(answers(200, b"{}"))
    given = {spelled: "somebody-elses", contract.HEADER_REQUEST_ID.upper(): 'not "an id"'}
    with structlog.testing.capture_logs() as said:
        async with client.post(CHAT, json=WHOLE, headers=KEY | given) as answer:
            assert answer.status == 200
        await gate.until(lambda: [line for line in said if line["event"] == "answered"])
    (line,) = (line for line in said if line["event"] == "answered")
    assert "key" not in line
    told = answer.headers[contract.HEADER_REQUEST_ID]
    assert line["request_id"] == told
    assert f"{contract.HEADER_REQUEST_ID}: {told}".encode() in node.requests[0][0]


async def test_the_clients_limits_hold_under_a_key_however_they_are_spelled(gate: Any, client: aiohttp.ClientSession):
    await gate.node(sends(then=asyncio.Event()))
    async with client.post(CHAT, json=WHOLE, headers=KEY | {"X-Total-Timeout-Seconds": "0.1"}) as answer:
        assert answer.status == 504


async def test_who_joins_an_answer_keeps_it_from_being_given_up_for_who_left_before(
    gate: Any, client: aiohttp.ClientSession
):
    await gate.node(sends(HEAD, chunk(event("one")), then=asyncio.Event()))
    first = await client.post(CHAT, json=STREAM, headers=KEY)
    run = gate.gateway.runs.find(identity_of(None, "inside"))
    first.close()
    await gate.until(lambda: run.giving_up is not None)
    timer = run.giving_up
    second = await client.post(CHAT, json=STREAM, headers=KEY)
    assert timer.cancelled()
    second.close()
    await gate.until(lambda: run.giving_up is not None)
    assert run.giving_up.when() >= timer.when()


@pytest.mark.parametrize("gate", [{"linger_seconds": 0.05}], indirect=True)
async def test_an_answer_that_nobody_joins_is_given_up(gate: Any, client: aiohttp.ClientSession):
    node = await gate.node(sends(HEAD, chunk(event("one")), then=asyncio.Event()))
    answer = await client.post(CHAT, json=STREAM, headers=KEY)
    answer.close()
    await asyncio.wait_for(node.left.wait(), 10)
    await gate.until(lambda: gate.gateway.runs.unfinished == 0)
