"""Idempotency-Key: one answer for one key, also for a stream that is cut, and after its gateway was killed."""

import asyncio
import contextlib
import json
import signal
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import openai
import pytest
import structlog.testing

from inference_service import contract
from inference_service.gateway.idempotency import fingerprint, identity_of
from inference_service.gateway.idempotency_store import DONE, parse
from tests.contract.node_bytes import CHAT, WHOLE, answers

MODEL = "smollm2"
LEASE = {contract.VAR_LEASE_SECONDS: "2"}


def question(text: str, **options: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **options}


def key(value: str) -> dict[str, str]:
    return {contract.HEADER_IDEMPOTENCY_KEY: value}


@pytest.fixture(scope="module")
def served(shared_fleet: Any, shared_node: Any) -> Any:
    """Two gateways over one slow node that tells how many tokens it has made."""
    return shared_node, shared_fleet.gateway(**LEASE), shared_fleet.gateway(**LEASE)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as session:
        yield session


async def ask(http: aiohttp.ClientSession, gateway: Any, body: Any, name: str) -> tuple[int, Any, bytes]:
    async with http.post(gateway.url + CHAT, json=body, headers=key(name)) as answer:
        return answer.status, answer.headers, await answer.read()


def words(count: int) -> str:
    return " ".join(f"w{number}" for number in range(count))


@pytest.mark.parametrize("stream", [False, True])
async def test_the_same_key_and_body_get_the_same_bytes_from_every_gateway(
    served: Any, http: aiohttp.ClientSession, stream: bool
):
    node, first, second = served
    body, before = question(words(10), stream=stream), node.generated_tokens()
    status, headers, answer = await ask(http, first, body, f"same-{stream}")
    assert (status, headers.get(contract.HEADER_REPLAYED)) == (200, None)
    made = node.generated_tokens()
    assert made > before
    for gateway in (first, second):
        status, headers, again = await ask(http, gateway, dict(reversed(body.items())), f"same-{stream}")
        assert (status, again, headers[contract.HEADER_REPLAYED]) == (200, answer, "true")
        assert headers[contract.HEADER_MODEL_VERSION]
        assert headers["Content-Type"].startswith("text/event-stream" if stream else "application/json")
    assert node.generated_tokens() == made, "it was decoded again"


async def test_another_body_under_the_same_key_is_a_422_at_every_gateway(served: Any, http: aiohttp.ClientSession):
    _, first, second = served
    await ask(http, first, question("one"), "other-body")
    for gateway in (first, second):
        status, _, answer = await ask(http, gateway, question("two"), "other-body")
        assert (status, json.loads(answer)["error"]["code"]) == (422, "idempotency_key_reused")


async def test_requests_at_the_same_time_read_one_answer_along(served: Any, http: aiohttp.ClientSession):
    node, first, second = served
    before, body = node.generated_tokens(), question(words(40), stream=True)
    asked = [ask(http, gateway, body, "together") for gateway in (first, first, second, first, second)]
    answers = await asyncio.gather(*asked)
    assert {answer for _, _, answer in answers} == {answers[0][2]}
    assert answers[0][2].endswith(b"data: [DONE]\n\n")
    assert node.generated_tokens() - before < 2 * 41


async def test_a_client_that_lost_its_stream_gets_it_from_its_beginning_then_the_rest_of_the_running_one(
    served: Any, http: aiohttp.ClientSession
):
    node, first, _ = served
    before, body = node.generated_tokens(), question(words(60), stream=True)
    async with http.post(first.url + CHAT, json=body, headers=key("lost")) as answer:
        part = await answer.content.readuntil(b"\n\n")
        answer.close()
    _, headers, whole = await ask(http, first, body, "lost")
    assert whole.startswith(part)
    assert whole.endswith(b"data: [DONE]\n\n")
    assert headers[contract.HEADER_REPLAYED] == "true"
    assert node.generated_tokens() - before < 2 * 61


async def test_a_refused_request_is_not_remembered(served: Any, http: aiohttp.ClientSession):
    _, first, _ = served
    for _ in range(2):
        status, headers, answer = await ask(http, first, question("x", verbosity="high"), "refused")
        assert (status, json.loads(answer)["error"]["code"]) == (400, "unsupported_parameter")
        assert contract.HEADER_REPLAYED not in headers
    status, _, _ = await ask(http, first, question("x"), "after")
    assert status == 200


async def test_an_answer_that_broke_off_is_not_remembered(served: Any, http: aiohttp.ClientSession):
    _, first, second = served
    body = question("one stub-fails-here", stream=True)
    for gateway in (first, second, first):
        status, headers, answer = await ask(http, gateway, body, "broke")
        assert b'data: {"error"' in answer or status >= 500
        assert not answer.endswith(b"[DONE]\n\n")
        assert contract.HEADER_REPLAYED not in headers


async def test_keys_that_cannot_stand_in_a_header_are_refused(served: Any, http: aiohttp.ClientSession):
    status, _, answer = await ask(http, served[1], question("x"), "a" * 256)
    assert (status, json.loads(answer)["error"]["param"]) == (400, contract.HEADER_IDEMPOTENCY_KEY)


def test_one_request_is_told_of_and_counted_once(served: Any):
    _, gateway, _ = served
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        for _ in range(2):
            client.chat.completions.create(**question("once"), extra_headers=key("once") | {"x-request-id": "once-1"})
    lines = gateway.lines_until(lambda line: line.get("request_id") == "once-1", count=2)
    assert [line.get("replayed", False) for line in lines] == [False, True]
    assert lines[0]["node"]


@pytest.mark.parametrize("stream", [False, True])
def test_after_kill_9_of_the_gateway_the_sdk_gets_one_whole_answer_from_another_one(
    served: Any, shared_fleet: Any, stream: bool
):
    doomed, other = shared_fleet.gateway(**LEASE), served[1]
    asked, name = question(words(80), stream=stream), f"killed-{stream}"

    def cut() -> None:
        with (
            contextlib.suppress(openai.APIError),
            openai.OpenAI(base_url=f"{doomed.url}/v1", api_key="none", max_retries=0, timeout=20) as client,
        ):
            made = client.chat.completions.create(**asked, extra_headers=key(name))
            for _ in made if stream else ():
                begun.set()

    begun, asking = threading.Event(), threading.Thread(target=cut)
    asking.start()
    if stream:
        assert begun.wait(20)
    else:
        until_leased(shared_fleet, name)
    doomed.end(signal.SIGKILL)
    asking.join(20)
    with openai.OpenAI(base_url=f"{other.url}/v1", api_key="none", max_retries=3, timeout=60) as client:
        made = client.chat.completions.create(**asked, extra_headers=key(name))
        said = "".join(chunk.choices[0].delta.content or "" for chunk in made) if stream else None
        assert (said or made.choices[0].message.content) == words(80)
        again = client.chat.completions.with_raw_response.create(**asked, extra_headers=key(name))
        assert again.headers[contract.HEADER_REPLAYED] == "true"


def until_leased(fleet: Any, name: str) -> None:
    """Wait until a gateway has written its lease."""
    lease, until = contract.idempotency_key(identity_of(None, name)), time.monotonic() + 20
    while time.monotonic() < until:
        if fleet.store.s3.list_objects_v2(Bucket=fleet.store.bucket, Prefix=lease)["KeyCount"]:
            return
        time.sleep(0.02)
    raise AssertionError("no lease")


@pytest.mark.parametrize("gate", [{"deduplication": False}], indirect=True)
async def test_the_guard_off_every_request_is_answered_anew(gate: Any, client: aiohttp.ClientSession):
    node = await gate.node(answers(200, b"{}"))
    for _ in range(2):
        async with client.post(CHAT, json=WHOLE, headers=key("twice")) as answer:
            assert answer.status == 200
    assert len(node.requests) == 2


def test_the_same_json_has_one_fingerprint_and_other_json_another():
    assert fingerprint(b'{"a": 1, "b": [2]}') == fingerprint(b'{"b":[2],"a":1}')
    assert len({fingerprint(each) for each in (b'{"a": 1}', b'{"a": 2}', b"{", b"")}) == 4


async def test_a_gateway_that_lost_its_lease_never_ends_its_answer(
    served: Any, http: aiohttp.ClientSession, shared_fleet: Any
):
    """The other gateway's answer counts: with two ends a client could have one, and another client the other."""
    _, first, _ = served
    body, s3, bucket = question(words(150), stream=True), shared_fleet.store.s3, shared_fleet.store.bucket
    object_key = contract.idempotency_key(identity_of(None, "lease"))
    async with http.post(first.url + CHAT, json=body, headers=key("lease")) as answer:
        await answer.content.readuntil(b"\n\n")
        kept = parse(s3.get_object(Bucket=bucket, Key=object_key)["Body"].read())
        s3.put_object(Bucket=bucket, Key=object_key, Body=replace(kept, owner="another").to_bytes())
        rest = await answer.read()
    assert b"stream_interrupted" in rest
    assert b"[DONE]" not in rest
    assert parse(s3.get_object(Bucket=bucket, Key=object_key)["Body"].read()).owner == "another"


async def test_a_renewal_that_s3_did_without_saying_so_is_no_loss(
    served: Any, http: aiohttp.ClientSession, shared_fleet: Any
):
    _, first, _ = served
    body, s3, bucket = question(words(40), stream=True), shared_fleet.store.s3, shared_fleet.store.bucket
    object_key = contract.idempotency_key(identity_of(None, "unsaid"))
    async with http.post(first.url + CHAT, json=body, headers=key("unsaid")) as answer:
        await answer.content.readuntil(b"\n\n")
        kept = parse(s3.get_object(Bucket=bucket, Key=object_key)["Body"].read())
        s3.put_object(Bucket=bucket, Key=object_key, Body=replace(kept, beat=7).to_bytes())
        rest = await answer.read()
    assert rest.endswith(b"data: [DONE]\n\n")
    assert parse(s3.get_object(Bucket=bucket, Key=object_key)["Body"].read()).state == DONE


async def test_a_gateway_that_leaves_gives_its_answers_back_at_once(
    served: Any, http: aiohttp.ClientSession, shared_fleet: Any
):
    leaving = await asyncio.to_thread(lambda: shared_fleet.gateway(**{contract.VAR_DRAIN_SECONDS: "0.1"}))
    body = question(words(60), stream=True)
    async with http.post(leaving.url + CHAT, json=body, headers=key("rolled")) as answer:
        await answer.content.readuntil(b"\n\n")
        leaving.process.send_signal(signal.SIGTERM)
        assert b"[DONE]" not in await answer.read()
    began = time.monotonic()
    status, _, whole = await ask(http, served[1], body, "rolled")
    assert (status, whole[-14:]) == (200, b"data: [DONE]\n\n")
    assert time.monotonic() - began < 8, "it waited for the lease's end"
    assert await asyncio.to_thread(leaving.process.wait, 20) == 0


@pytest.fixture
def s3_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens where S3 should be."""
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")


@pytest.mark.parametrize("gate", [{"bucket": "models"}], indirect=True)
async def test_without_s3_requests_are_served_and_a_key_holds_for_the_gateway(
    s3_down: None, gate: Any, client: aiohttp.ClientSession
):
    node = await gate.node(answers(200, b'{"choices":[]}'))

    async def asked(body: Any) -> tuple[int, bytes]:
        async with client.post(CHAT, json=body, headers=key("s3-down")) as answer:
            return answer.status, await answer.read()

    with structlog.testing.capture_logs() as said:
        assert await asked(WHOLE) == await asked(WHOLE) == (200, b'{"choices":[]}')
        assert (await asked(WHOLE | {"n": 1}))[0] == 422
    assert len(node.requests) == 1
    assert any("holds for this gateway alone" in line["event"] for line in said)
