"""What the gateway takes in, refuses, and says about itself: a real gateway application, requests good and bad."""

import asyncio
import io
import json
import socket
from typing import Any

import aiohttp
import pytest

from inference_service import contract

CHAT = contract.PATH_CHAT_COMPLETIONS
WHOLE = {"model": "smollm2", "messages": [{"role": "user", "content": "x"}]}


async def answers(node: Any, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-warmfleet-model-version: v1\r\n\r\n{}")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", CHAT, b"{not json", 400, "invalid_json"),
        ("POST", CHAT, b"", 400, "invalid_json"),
        ("POST", CHAT, b"[]", 400, "invalid_json"),
        ("POST", CHAT, b"[" * 100_000, 400, "invalid_json"),
        ("POST", CHAT, b'{"model": "\xff"}', 400, "invalid_json"),
        ("POST", CHAT, b'{"model": "smollm2", "a": ' + b"[" * 64 + b"]" * 64 + b"}", 400, "invalid_json"),
        ("POST", CHAT, b'{"model": "smollm2", "temperature": NaN}', 400, "invalid_json"),
        ("POST", CHAT, b'{"messages": []}', 400, None),
        ("POST", CHAT, b'{"model": ["smollm2"]}', 400, None),
        ("POST", CHAT, b'{"model": "smollm2", "stream": "yes"}', 400, None),
        ("POST", CHAT, b'{"model": "gpt-9"}', 404, "model_not_found"),
        ("POST", CHAT, b'{"model": "\\ud800"}', 404, "model_not_found"),
        ("POST", CHAT, b" " * (8 << 20) + b"{}", 413, "request_too_large"),
        ("GET", CHAT, b"", 405, "method_not_allowed"),
        ("POST", "/v1/embeddings", b"{}", 404, "unknown_url"),
        ("GET", "/v1/models/gpt-9", b"", 404, "model_not_found"),
        ("GET", "/", b"", 404, "unknown_url"),
    ],
)
async def test_refusals_have_openais_shape_and_an_id(
    gate: Any, client: aiohttp.ClientSession, method: str, path: str, body: bytes, status: int, code: str | None
):
    async with client.request(method, path, data=io.BytesIO(body)) as answer:
        document = await answer.json()
        assert (answer.status, document["error"]["code"]) == (status, code)
        assert set(document["error"]) == {"message", "type", "param", "code"}
        assert document["error"]["type"] == "invalid_request_error"
        assert answer.headers[contract.HEADER_REQUEST_ID].startswith("req-")


@pytest.mark.parametrize("given", ["soon", "-1", "nan", "inf", ""])
async def test_a_deadline_that_is_no_number_is_refused(gate: Any, client: aiohttp.ClientSession, given: str):
    async with client.post(CHAT, json=WHOLE, headers={contract.HEADER_DEADLINE: given}) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["param"] == contract.HEADER_DEADLINE


@pytest.mark.parametrize("gate", [{"longest_wait_seconds": 0.1}], indirect=True)
async def test_no_client_waits_longer_than_the_gateway_allows(gate: Any, client: aiohttp.ClientSession):
    async with client.post(CHAT, json=WHOLE, headers={contract.HEADER_DEADLINE: "100000"}) as answer:
        assert answer.status == 503


@pytest.mark.parametrize(
    ("given", "kept"), [("mine-1.2_3", True), ("a" * 128, True), ("a" * 129, False), ("a b", False), ('a"b', False)]
)
async def test_a_sane_request_id_is_kept_and_reaches_the_node(
    gate: Any, client: aiohttp.ClientSession, given: str, kept: bool
):
    node = await gate.node(answers)
    async with client.post(CHAT, json=WHOLE, headers={contract.HEADER_REQUEST_ID: given}) as answer:
        told = answer.headers.getall(contract.HEADER_REQUEST_ID)
    assert len(told) == 1
    assert (told[0] == given) is kept
    assert f"{contract.HEADER_REQUEST_ID}: {told[0]}".encode() in node.requests[0][0]


@pytest.mark.parametrize(
    "path", [contract.PATH_HEALTH, contract.PATH_READY, contract.PATH_MODELS, contract.PATH_METRICS]
)
async def test_every_answer_has_an_id(gate: Any, client: aiohttp.ClientSession, path: str):
    async with client.get(path) as answer:
        assert answer.headers[contract.HEADER_REQUEST_ID]


async def test_the_body_reaches_the_node_as_it_came_and_no_secret_with_it(gate: Any, client: aiohttp.ClientSession):
    node = await gate.node(answers)
    body = b'{ "model":"smollm2",\n "messages" : [{"role":"user","content":"caf\\u00e9"}], "temperature": 1e-1}'
    headers = {"Authorization": "Bearer secret", "Cookie": "secret", "X-Forwarded-For": "192.0.2.1"}
    async with client.post(CHAT, data=body, headers=headers) as answer:
        assert answer.status == 200
    head, sent = node.requests[0]
    assert sent == body
    assert b"secret" not in head
    assert b"192.0.2.1" not in head


async def test_a_body_of_megabytes_reaches_the_node(gate: Any, client: aiohttp.ClientSession):
    node = await gate.node(answers)
    body = json.dumps(WHOLE).encode() + b" " * (3 << 20)
    async with client.post(CHAT, data=io.BytesIO(body)) as answer:
        assert answer.status == 200
    assert node.requests[0][1] == body


@pytest.mark.parametrize("name", ["warmfleet", "\\u0077armfleet"])
async def test_a_clients_use_of_our_extension_does_not_reach_the_node(
    gate: Any, client: aiohttp.ClientSession, name: str
):
    node = await gate.node(answers)
    body = json.dumps(WHOLE)[:-1] + f', "{name}": {{"resume_token_ids": [1]}}}}'
    async with client.post(CHAT, data=body.encode()) as answer:
        assert answer.status == 200
    assert json.loads(node.requests[0][1]) == WHOLE


async def test_readiness_needs_a_warm_node_and_health_does_not(gate: Any, client: aiohttp.ClientSession):
    async def statuses() -> list[int]:
        found = []
        for path in (contract.PATH_HEALTH, contract.PATH_READY):
            async with client.get(path) as answer:
                found.append(answer.status)
        return found

    assert await statuses() == [200, 503]
    gate.tell("i-1", "127.251.255.1", state=contract.STATE_LOADING)
    assert await statuses() == [200, 503]
    gate.tell("i-1", "127.251.255.1")
    assert await statuses() == [200, 200]
    gate.gateway.fleet.close()
    assert await statuses() == [200, 503]


async def test_models_are_those_of_the_settings_with_the_versions_that_are_warm(
    gate: Any, client: aiohttp.ClientSession
):
    gate.tell("i-1", "127.251.255.1", version="v1")
    gate.tell("i-2", "127.251.255.2", version="v2")
    gate.tell("i-3", "127.251.255.3", version="v3", state=contract.STATE_DRAINING)
    async with client.get(contract.PATH_MODELS) as answer:
        models = {model["id"]: model["warmfleet"] for model in (await answer.json())["data"]}
    assert models == {
        "smollm2": {"versions": ["v1", "v2"], "ready_nodes": 2},
        "qwen": {"versions": [], "ready_nodes": 0},
    }


async def test_the_figures_count_requests_nodes_and_what_waits(gate: Any, client: aiohttp.ClientSession):
    await gate.node(answers)
    gate.tell("i-2", "127.251.255.2", model="qwen", state=contract.STATE_LOADING)
    async with client.post(CHAT, json=WHOLE):
        pass
    async with client.post(CHAT, json=WHOLE | {"model": "qwen"}):
        pass
    headers = {contract.HEADER_DEADLINE: "30"}
    waiting = asyncio.ensure_future(client.post(CHAT, json=WHOLE | {"model": "qwen"}, headers=headers))
    await gate.until(lambda: gate.gateway.fleet.waiting == 1)
    async with client.get(contract.PATH_METRICS) as answer:
        lines = set((await answer.text()).splitlines())
    waiting.cancel()
    assert {
        f'{contract.METRIC_GATEWAY_REQUESTS}_total{{code="200"}} 1.0',
        f'{contract.METRIC_GATEWAY_REQUESTS}_total{{code="503"}} 1.0',
        f'{contract.METRIC_GATEWAY_NODES}{{state="ready"}} 1.0',
        f'{contract.METRIC_GATEWAY_NODES}{{state="loading"}} 1.0',
        f"{contract.METRIC_GATEWAY_WAITING} 1.0",
        f"{contract.METRIC_GATEWAY_IN_FLIGHT} 0.0",
    } <= lines


async def test_a_failure_of_our_own_is_a_500_in_the_same_shape_and_tells_nothing(
    gate: Any, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
):
    def breaks(*_: Any) -> None:
        raise RuntimeError("/etc/secret/path")

    monkeypatch.setattr(gate.gateway.fleet, "choose", breaks)
    async with client.post(CHAT, json=WHOLE) as answer:
        assert answer.status == 500
        text = await answer.text()
    assert json.loads(text)["error"]["code"] == "internal_error"
    assert "secret" not in text


async def test_nothing_new_is_accepted_after_the_listener_closed(gate: Any):
    gate.server.close()
    host, _, port = gate.url.removeprefix("http://").partition(":")
    with pytest.raises(OSError), socket.create_connection((host, int(port)), timeout=5):  # noqa: PT011 - refused
        pass
