"""Between real gateways and a real node: who has no token is refused, and a new token interrupts nobody."""

import json
import time
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import openai
import pytest

from inference_service import contract
from inference_service.node_tokens import parse

MODEL, PARAMETER = "smollm2", "node-token"
QUESTION: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "one two"}]}


@pytest.fixture
def ssm(moto_url: str) -> Any:
    session = boto3.Session(aws_access_key_id="made-up", aws_secret_access_key="made-up", region_name="us-east-1")
    client = session.client("ssm", endpoint_url=moto_url)
    client.put_parameter(Name=PARAMETER, Value='{"tokens": []}', Type="SecureString", Overwrite=True)
    return client


def tokens(ssm: Any) -> list[str]:
    text = ssm.get_parameter(Name=PARAMETER, WithDecryption=True)["Parameter"]["Value"]
    return [each.token for each in parse(text)]


def status(url: str, **headers: str) -> tuple[int, Any]:
    request = Request(url + contract.PATH_CHAT_COMPLETIONS, json.dumps(QUESTION).encode(), headers)
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_node_answers_gateways_alone_and_a_new_token_interrupts_nobody(fleet: Any, ssm: Any):
    fleet.warm_model()
    variables = {contract.VAR_NODE_TOKEN_PARAMETER: PARAMETER}
    node = fleet.launch(**variables)
    gateways = [fleet.gateway(**variables, **{contract.VAR_API_KEYS_POLL_SECONDS: "0.2"}) for _ in range(2)]
    (first,) = tokens(ssm)

    code, answer = status(node.url)
    assert (code, answer["error"]["code"], answer["error"]["type"]) == (401, "invalid_api_key", "invalid_request_error")
    assert status(node.url, Authorization="Bearer wrong")[0] == 401
    assert status(node.url, Authorization=f"Bearer {first}")[0] == 200
    assert node.get(contract.PATH_READY)[0] == 200
    with pytest.raises(HTTPError, match="401"):
        urlopen(node.url + contract.PATH_METRICS, timeout=5)

    seen: set[str] = {first}
    for turn in range(3):
        if turn:
            ssm.put_parameter(Name=PARAMETER, Value='{"tokens": []}', Type="SecureString", Overwrite=True)
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            for gateway in gateways:
                with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0, timeout=20) as client:
                    client.chat.completions.create(**QUESTION, extra_headers={contract.HEADER_DEADLINE: "10"})
        seen |= set(tokens(ssm))
    assert len(seen) == 3, "no new token was made"
    for process in fleet.processes:
        assert not any(token in process.log.read_text() for token in seen)


def test_a_node_that_others_can_reach_does_not_start_without_a_token(fleet: Any):
    fleet.warm_model()
    process = fleet.launch(**{contract.VAR_BIND_ADDRESS: "10.0.0.7"})
    assert process.process.wait(20) == 64
    assert f"{contract.VAR_NODE_TOKEN_PARAMETER} is missing" in process.log.read_text()
