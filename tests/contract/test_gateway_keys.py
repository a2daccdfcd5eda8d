"""API keys over HTTP: OpenAI's SDK against a real gateway and node, keys in SSM, changed while they run."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.request import urlopen

import boto3
import openai
import pytest

from inference_service import api_keys, contract
from inference_service.secret_document import SecretDocument

MODEL = "smollm2"
PARAMETER = "api-keys"
REVOKED_SECONDS = 5.0
QUESTION: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "one two three"}]}


class Keys:
    """The keys of the running gateway, changed as `warmfleet keys` changes them."""

    def __init__(self, document: SecretDocument) -> None:
        self.document = document

    def change(self, change: Callable[..., Any], *arguments: Any, **options: Any) -> str:
        texts: list[str] = []

        def make(before: str) -> str:
            made = change(api_keys.parse(before), *arguments, **options)
            text, after = made if isinstance(made[0], str) else ("", made)
            texts.append(text)
            return api_keys.to_json(after)

        self.document.change(make)
        return texts[-1]

    def create(self, name: str, **limits: int) -> str:
        return self.change(api_keys.created, name, time.time(), **limits)

    def revoke(self, name: str) -> None:
        self.change(lambda keys: ("", api_keys.revoked(keys, name, time.time())))


@pytest.fixture(scope="module")
def keys(moto_url: str) -> Keys:
    session = boto3.Session(aws_access_key_id="made-up", aws_secret_access_key="made-up", region_name="us-east-1")
    ssm = session.client("ssm", endpoint_url=moto_url)
    ssm.put_parameter(Name=PARAMETER, Value='{"keys": []}', Type="SecureString")
    return Keys(SecretDocument(ssm, PARAMETER))


@pytest.fixture(scope="module")
def gateway(shared_fleet: Any, shared_node: Any, keys: Keys) -> Any:
    keys.create("first")
    variables = {contract.VAR_API_KEYS_PARAMETER: PARAMETER, contract.VAR_API_KEYS_POLL_SECONDS: "0.2"}
    return shared_fleet.gateway(**variables)


@pytest.fixture
def sdk(gateway: Any) -> Iterator[Callable[..., openai.OpenAI]]:
    made: list[openai.OpenAI] = []

    def client(key: str) -> openai.OpenAI:
        made.append(openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, timeout=20))
        return made[-1]

    yield client
    for each in made:
        each.close()


def accepted(client: openai.OpenAI) -> bool:
    try:
        client.models.list()
    except openai.AuthenticationError:
        return False
    return True


def within(seconds: float, condition: Callable[[], bool]) -> float:
    """Seconds until the condition holds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)
    return time.monotonic() - began


def test_the_sdk_is_served_with_a_key_and_refused_without_one_in_openais_shape(gateway: Any, keys: Keys, sdk: Any):
    good, bad = sdk(keys.create("shape")), sdk("wf-12345678-made-up")
    within(REVOKED_SECONDS, lambda: accepted(good))
    chunks = good.chat.completions.create(**QUESTION, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two three"
    with pytest.raises(openai.AuthenticationError) as refused:
        bad.chat.completions.create(**QUESTION)
    assert (refused.value.code, refused.value.type) == ("invalid_api_key", "invalid_request_error")
    assert "made-up" not in str(refused.value)
    with pytest.raises(openai.AuthenticationError, match="didn't provide an API key"):
        good.chat.completions.create(**QUESTION, extra_headers={"Authorization": "Basic eDp5"})
    with urlopen(gateway.url + contract.PATH_HEALTH, timeout=5) as answer:  # a load balancer has no key
        assert answer.status == 200


async def test_the_async_sdk_is_served_and_refused_the_same(gateway: Any, keys: Keys, sdk: Any):
    text = keys.create("async")
    await asyncio.to_thread(within, REVOKED_SECONDS, lambda: accepted(sdk(text)))
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=text, max_retries=0, timeout=20) as client:
        stream = await client.chat.completions.create(**QUESTION, stream=True)
        assert len([chunk async for chunk in stream]) == 4
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="none").chat.completions.create(**QUESTION)


def test_a_revoked_key_is_refused_within_seconds_and_others_stay(keys: Keys, sdk: Any):
    gone, stays = sdk(keys.create("gone")), sdk(keys.create("stays"))
    within(REVOKED_SECONDS, lambda: accepted(gone) and accepted(stays))
    keys.revoke("gone")
    assert within(REVOKED_SECONDS, lambda: not accepted(gone)) < REVOKED_SECONDS
    assert accepted(stays)


def test_both_secrets_of_a_rotation_are_good_until_the_overlap_ends(keys: Keys, sdk: Any):
    old = sdk(keys.create("rotated"))
    new = sdk(keys.change(api_keys.rotated, "rotated", time.time(), 4))
    within(REVOKED_SECONDS, lambda: accepted(new))
    assert accepted(old)
    within(8, lambda: not accepted(old))
    assert accepted(new)


def test_a_key_that_does_too_much_gets_429_and_when_to_come_back(keys: Keys, sdk: Any):
    narrow, slow = sdk(keys.create("narrow", at_once=1)), sdk(keys.create("slow", per_minute=2))
    within(REVOKED_SECONDS, lambda: accepted(narrow) and accepted(slow))
    with narrow.chat.completions.create(
        **QUESTION | {"messages": [{"role": "user", "content": "x " * 400}]}, stream=True
    ):
        with pytest.raises(openai.RateLimitError) as refused:
            narrow.chat.completions.create(**QUESTION)
        assert (refused.value.code, refused.value.response.headers["Retry-After"]) == ("rate_limit_exceeded", "1")
    within(REVOKED_SECONDS, lambda: bool(_asks(narrow)))
    answers = [_asks(slow) for _ in range(3)]
    assert answers[-1] is False


def _asks(client: openai.OpenAI) -> bool:
    try:
        client.chat.completions.create(**QUESTION)
    except openai.RateLimitError:
        return False
    return True


def test_a_gateway_that_was_never_told_its_keys_refuses_and_says_so(shared_fleet: Any):
    variables = {contract.VAR_API_KEYS_PARAMETER: "no-such-parameter", contract.VAR_API_KEYS_POLL_SECONDS: "0.2"}
    gateway = shared_fleet.gateway(**variables)
    status, answer = gateway.get(contract.PATH_MODELS)
    assert (status, answer["error"]["code"]) == (503, "keys_unknown")
    gateway.end()


def test_no_key_and_no_prompt_stands_in_a_log_a_figure_or_an_error(
    gateway: Any, keys: Keys, sdk: Any, shared_fleet: Any
):
    key, canary = keys.create("canary"), "canarywordthatisaprompt"
    client = sdk(key)
    within(REVOKED_SECONDS, lambda: accepted(client))
    asked = {"model": MODEL, "messages": [{"role": "user", "content": f"{canary} stub-fails-here"}]}
    wrong: list[dict[str, Any]] = [
        asked,
        asked | {"stream": True},
        asked | {"temperature": canary},
        asked | {"response_format": {"type": canary}},
        asked | {"messages": [{"role": canary, "content": canary}]},
        asked | {"messages": [{"role": "user", "content": [{"type": canary}]}]},
        asked | {"model": canary},
        asked | {canary: canary},
    ]
    for body in wrong:
        with pytest.raises(openai.APIError):
            list(
                client.post("/chat/completions", cast_to=object, body=body, stream_cls=openai.Stream[Any], stream=True)
            )
    for line in (f"Authorization : Bearer {key}", f"Bearer {key}", f"X-{key}\x01: {canary}"):
        asyncio.run(_send(gateway.url, f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode()))
    with pytest.raises(openai.AuthenticationError) as refused:
        sdk(key + canary).models.list()
    said = [str(refused.value), json.dumps(gateway.get(contract.PATH_FLEET))]
    for process in shared_fleet.processes:
        said.append(process.log.read_text())
        if process.process.poll() is None:
            with urlopen(process.url + contract.PATH_METRICS, timeout=5) as answer:
                said.append(answer.read().decode())
    assert any('"key": "canary"' in each for each in said), "the key's name is what logs show"
    secret = key.rpartition("-")[2]
    for each in said:
        assert secret not in each
        assert canary not in each, each[max(0, each.find(canary) - 300) :][:600]


async def _send(url: str, request: bytes) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    assert b"400" in await asyncio.wait_for(reader.read(), 10)
    writer.close()
