"""OpenAI's own Python SDK and curl against real gateway and node processes."""

import itertools
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from moto.server import ThreadedMotoServer

from inference_service import contract

MODEL = "smollm2"


@pytest.fixture(scope="module")
def sdk(shared_gateway: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{shared_gateway.url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        yield client


def question(text: str, **options: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **options}


def test_the_sdk_reads_a_stream_without_our_extension(sdk: openai.OpenAI):
    answer = sdk.chat.completions.with_raw_response.create(**question("one two three", stream=True))
    assert len(answer.headers[contract.HEADER_MODEL_VERSION]) == 16
    assert answer.headers[contract.HEADER_REQUEST_ID].startswith("req-")
    chunks = list(answer.parse())
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two three"
    assert [chunk.model_extra for chunk in chunks] == [{}] * 4
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_the_sdk_reads_usage_at_the_end_of_a_stream(sdk: openai.OpenAI):
    stream = sdk.chat.completions.create(**question("a b"), stream=True, stream_options={"include_usage": True})
    usage = list(stream)[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (2, 2)


def test_the_sdk_reads_a_whole_answer_without_our_extension(sdk: openai.OpenAI):
    answer = sdk.chat.completions.create(**question("one two", max_tokens=1))
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("one", "length")
    assert answer.model_extra == {}


def test_the_sdk_lists_and_retrieves_models_with_their_served_version(sdk: openai.OpenAI):
    models = {model.id: model for model in sdk.models.list()}
    assert set(models) == {MODEL, "qwen"}
    ours: Any = models[MODEL].model_extra
    assert (ours["warmfleet"]["ready_nodes"], len(ours["warmfleet"]["versions"])) == (1, 1)
    assert sdk.models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("gpt-9")


def test_the_sdk_raises_its_own_errors(sdk: openai.OpenAI):
    with pytest.raises(openai.NotFoundError) as unknown:
        sdk.chat.completions.create(**question("x") | {"model": "gpt-9"})
    assert (unknown.value.code, unknown.value.param, unknown.value.type) == (
        "model_not_found",
        "model",
        "invalid_request_error",
    )
    with pytest.raises(openai.BadRequestError) as refused:  # the node's refusal, through the gateway
        sdk.chat.completions.create(**question("x", reasoning_effort="high"))
    assert refused.value.code == "unsupported_parameter"
    with pytest.raises(openai.NotFoundError) as nowhere:
        sdk.embeddings.create(model=MODEL, input="x")
    assert nowhere.value.code == "unknown_url"


def test_a_model_without_a_node_is_a_503_that_says_when_to_come_back(sdk: openai.OpenAI):
    with pytest.raises(openai.InternalServerError) as error:
        sdk.chat.completions.create(**question("x") | {"model": "qwen"})
    assert (error.value.status_code, error.value.code, error.value.type) == (503, "no_warm_node", "server_error")
    assert int(error.value.response.headers["Retry-After"]) > 0
    assert "No node of model `qwen` is running" in error.value.message
    assert contract.HEADER_REQUEST_ID in error.value.response.headers


def test_an_engine_that_fails_in_mid_answer_is_an_error_of_the_sdk(sdk: openai.OpenAI):
    stream = sdk.chat.completions.create(**question("one stub-fails-here"), stream=True)
    with pytest.raises(openai.APIError, match="ends in a failure"):
        list(stream)


def test_a_client_that_waits_is_answered_by_the_node_that_becomes_warm(fleet: Any):
    gateway = fleet.gateway(until_ready=False)
    fleet.launch()
    answers: list[Any] = []

    def ask() -> None:
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, timeout=20) as client:
            headers = {contract.HEADER_DEADLINE: "15"}
            answers.append(client.chat.completions.create(**question("here I am"), extra_headers=headers))

    asking = threading.Thread(target=ask)
    asking.start()
    gateway.until(contract.PATH_FLEET, lambda seen: seen["nodes"] and (seen["nodes"][0]["report"] or {}).get("error"))
    assert gateway.get(contract.PATH_READY)[0] == 503
    assert gateway.get(contract.PATH_HEALTH)[0] == 200  # else the load balancer would answer in its place
    assert not answers
    fleet.warm_model()
    asking.join(20)
    assert answers[0].choices[0].message.content == "here I am"


def test_waiting_ends_with_the_clients_deadline(fleet: Any):
    gateway = fleet.gateway(until_ready=False)
    fleet.launch()  # nothing is published: it stays downloading
    gateway.until(contract.PATH_FLEET, lambda seen: seen["nodes"] and (seen["nodes"][0]["report"] or {}).get("error"))
    started = time.monotonic()
    answer = curl(gateway.url, question("x"), "-H", f"{contract.HEADER_DEADLINE}: 0.5")
    assert 0.5 <= time.monotonic() - started < 5
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    error = json.loads(answer.body)["error"]
    assert (error["code"], error["type"]) == ("no_warm_node", "server_error")
    assert "1 downloading" in error["message"]
    assert "warmfleet models activate" in error["message"]


def test_curl_gets_each_event_as_it_is_decoded(fleet: Any):
    fleet.warm_model()
    fleet.launch(WARMFLEET_STUB_TOKEN_SECONDS="0.2")
    gateway = fleet.gateway()
    body = json.dumps(question("a b c", stream=True))
    command = ["curl", "-sN", gateway.url + contract.PATH_CHAT_COMPLETIONS, "-d", body]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        came = []
        lines = []
        for line in process.stdout:
            if line.strip():
                came.append(time.monotonic())
                lines.append(line)
    assert [later - earlier > 0.1 for earlier, later in itertools.pairwise(came[:3])] == [True, True]
    assert lines[-1] == b"data: [DONE]\n"
    assert not any(b"warmfleet" in line for line in lines)


def test_a_client_that_leaves_stops_the_decoding_on_the_node(fleet: Any):
    fleet.warm_model()
    node = fleet.launch(WARMFLEET_STUB_TOKEN_SECONDS="0.02")
    gateway = fleet.gateway()
    body = json.dumps(question("word " * 500, stream=True))
    command = ["curl", "-sN", gateway.url + contract.PATH_CHAT_COMPLETIONS, "-d", body]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        node.until(contract.PATH_READY, lambda seen: seen["in_flight"] == 1)
        process.kill()
    node.until(contract.PATH_READY, lambda seen: seen["in_flight"] == 0)
    assert 0 < node.generated_tokens() < 400
    gateway.until(contract.PATH_FLEET, lambda seen: seen["nodes"][0]["in_flight"] == 0)
    left = gateway.lines_until(lambda line: line.get("path") == contract.PATH_CHAT_COMPLETIONS)
    assert left[0]["status"] == 499


@pytest.mark.parametrize("guards_off", ["", "resume"])
def test_a_node_that_is_killed_in_mid_answer_is_not_noticed_unless_the_guard_is_off(fleet: Any, guards_off: str):
    fleet.warm_model()
    nodes = [fleet.launch(WARMFLEET_STUB_TOKEN_SECONDS="0.05") for _ in range(2)]
    for node in nodes:
        node.until(contract.PATH_READY)
    gateway = fleet.gateway(**{contract.VAR_GUARDS_OFF: guards_off})
    gateway.until(contract.PATH_READY, lambda seen: seen["ready_nodes"] == 2)
    words = [f"w{number}" for number in range(80)]
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        usage = {"include_usage": True}
        stream = client.chat.completions.create(**question(" ".join(words)), stream=True, stream_options=usage)
        chunks = [next(iter(stream)) for _ in range(5)]
        next(node for node in nodes if node.get(contract.PATH_READY)[1]["in_flight"]).end()
        if guards_off:
            with pytest.raises(openai.APIError, match="broke off"):
                list(stream)
            return
        chunks += list(stream)
    contents = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert "".join(content or "" for content in contents) == " ".join(words)
    assert (len({chunk.id for chunk in chunks}), len({chunk.created for chunk in chunks})) == (1, 1)
    assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == [80]
    assert sum(chunk.choices[0].delta.role is not None for chunk in chunks if chunk.choices) == 1
    line = gateway.lines_until(lambda line: line.get("resumed"))[0]
    assert (line["status"], line["tokens"], line["resumed"]) == (200, 80, 1)


def test_requests_spread_over_two_nodes_and_survive_the_loss_of_one(fleet: Any):
    fleet.warm_model()
    nodes = [fleet.launch(WARMFLEET_STUB_TOKEN_SECONDS="0.05") for _ in range(2)]
    # So seldom polled that only the requests themselves can tell the gateway of the loss.
    for node in nodes:
        node.until(contract.PATH_READY)
    gateway = fleet.gateway(WARMFLEET_READINESS_POLL_SECONDS="1", WARMFLEET_DISCOVERY_POLL_SECONDS="60")
    gateway.until(contract.PATH_READY, lambda seen: seen["ready_nodes"] == 2)
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        streams = [client.chat.completions.create(**question("word " * 40), stream=True) for _ in range(4)]
        firsts = [next(iter(stream)) for stream in streams]
        assert len(firsts) == 4
        assert [node.get(contract.PATH_READY)[1]["in_flight"] for node in nodes] == [2, 2]
        for stream in streams:
            stream.close()
        nodes[0].end()
        answers = [client.chat.completions.create(**question("x")) for _ in range(4)]
    assert [answer.choices[0].message.content for answer in answers] == ["x"] * 4
    retried = gateway.lines_until(lambda line: line.get("failed_nodes"))
    assert {line["status"] for line in retried} == {200}


def test_sigterm_finishes_what_is_in_flight_and_exits_with_0(fleet: Any):
    fleet.warm_model()
    fleet.launch(WARMFLEET_STUB_TOKEN_SECONDS="0.05")
    gateway = fleet.gateway()
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        stream = client.chat.completions.create(**question("word " * 20), stream=True)
        next(iter(stream))
        gateway.process.send_signal(signal.SIGTERM)
        chunks = list(stream)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert gateway.process.wait(10) == 0
    assert [line["event"] for line in gateway.lines()][-1] == "stopped"


def test_sigterm_waits_no_longer_than_it_may_and_says_so_to_the_client(fleet: Any):
    fleet.warm_model()
    node = fleet.launch(WARMFLEET_STUB_TOKEN_SECONDS="0.05")
    gateway = fleet.gateway(WARMFLEET_DRAIN_SECONDS="0.3")
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        stream = client.chat.completions.create(**question("word " * 500), stream=True)
        next(iter(stream))
        gateway.process.send_signal(signal.SIGTERM)
        with pytest.raises(openai.APIError) as error:
            list(stream)
    assert error.value.code == "stream_interrupted"
    assert gateway.process.wait(10) == 0
    node.until(contract.PATH_READY, lambda seen: seen["in_flight"] == 0)


def test_logs_hold_the_request_and_neither_prompt_nor_answer(fleet: Any):
    version = fleet.warm_model()
    node = fleet.launch()
    gateway = fleet.gateway()
    answer = curl(gateway.url, question("canary-prompt", stream=True), "-H", f"{contract.HEADER_REQUEST_ID}: mine-1")
    assert answer.headers[contract.HEADER_REQUEST_ID] == "mine-1"
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(10) == 0
    line = next(line for line in gateway.lines() if line.get("request_id") == "mine-1")
    expected = {"model": MODEL, "node": node.instance_id, "version": version, "status": 200, "tokens": 1}
    assert {name: line[name] for name in expected} == expected
    assert line["seconds"] >= line["first_seconds"] > 0
    assert b"canary" in answer.body
    assert "canary" not in gateway.log.read_text()


def test_answers_go_on_while_aws_fails(fleet: Any):
    fleet.warm_model()
    fleet.launch()
    registry = ThreadedMotoServer("127.0.0.1", 0, verbose=False)  # shares moto's state with the fixture's server
    registry.start()
    host, port = registry.get_host_and_port()
    gateway = fleet.gateway(AWS_ENDPOINT_URL=f"http://{host}:{port}")
    registry.stop()
    gateway.lines_until(lambda line: line["event"].startswith("EC2 does not list nodes"))
    answer = curl(gateway.url, question("still here"))
    assert (answer.status, b"still here" in answer.body) == (200, True)


def test_a_terminated_instance_leaves_the_list(fleet: Any):
    fleet.warm_model()
    node = fleet.launch()
    gateway = fleet.gateway()
    fleet.ec2.terminate_instances(InstanceIds=[node.instance_id])
    gateway.until(contract.PATH_FLEET, lambda seen: not seen["nodes"])
    assert gateway.get(contract.PATH_READY)[0] == 503


def test_wrong_settings_are_told_at_once(fleet: Any):
    wrong = {contract.VAR_GATEWAY_PORT: "http", contract.VAR_MODELS: ""}
    gateway = fleet.start([sys.executable, "-m", "inference_service.gateway"], wrong, "http://none", "gateway")
    assert gateway.process.wait(15) == 64
    said = gateway.log.read_text()
    assert all(part in said for part in ("WARMFLEET_MODELS is missing", "WARMFLEET_GATEWAY_PORT='http'"))


def test_an_occupied_port_is_said_plainly(fleet: Any):
    first = fleet.gateway(until_ready=False)
    port = first.url.rpartition(":")[2]
    command, variables = [sys.executable, "-m", "inference_service.gateway"], {contract.VAR_MODELS: MODEL}
    second = fleet.start(command, variables | {contract.VAR_GATEWAY_PORT: port}, first.url, "gateway")
    assert second.process.wait(15) == 1
    assert f"127.0.0.1:{port}" in second.log.read_text()
    assert "Traceback" not in second.log.read_text()


class Answer:
    """What curl printed: status, headers by lower-case name, body."""

    def __init__(self, output: bytes) -> None:
        head, _, self.body = output.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}


def curl(url: str, body: Any, *options: str) -> Answer:
    command = ["curl", "-siN", url + contract.PATH_CHAT_COMPLETIONS, "-d", json.dumps(body), *options]
    return Answer(subprocess.run(command, check=True, capture_output=True, timeout=20).stdout)
