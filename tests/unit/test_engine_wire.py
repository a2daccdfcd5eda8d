"""What engines are told and what they say.

Lines of llama.cpp were recorded from xllamacpp 2026.10.11549. What vLLM says is recorded, too, and played in
tests/contract/test_node_vllm.py; here is what no recording has.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inference_service.node.engines import llama_wire, vllm_wire
from inference_service.node.engines.llama_cpp import LlamaCppEngine, model_file
from inference_service.node.engines.protocol import EngineError, EngineLoad, Generation, Piece
from inference_service.node.engines.stub import StubEngine, script, token_id
from inference_service.node.engines.vllm import VllmEngine
from inference_service.node.settings import NodeSettings, StubSettings, VllmSettings

ASK = Generation(messages=({"role": "user", "content": "hi"},))
FULL = Generation(ASK.messages, 5, 0.0, 0.9, -1, ("a",), {"type": "object"}, 0.5, -0.5)


def test_llama_cpp_is_given_what_the_request_says_and_nothing_it_leaves_open():
    body = llama_wire.completion_body(FULL, [1, 2])
    assert (body["n_predict"], body["temperature"], body["top_p"]) == (5, 0.0, 0.9)
    assert (body["presence_penalty"], body["frequency_penalty"]) == (0.5, -0.5)
    assert "stop" not in body  # the node looks for stop strings itself
    assert (body["prompt"], body["seed"], body["return_tokens"]) == ([1, 2], 2**32 - 1, True)
    open_ones = {"temperature", "top_p", "seed", "json_schema", "presence_penalty", "frequency_penalty"}
    assert not open_ones & set(llama_wire.completion_body(ASK, [1]))


def test_engines_go_on_after_the_received_tokens_and_decode_only_what_remains():
    resumed = replace(FULL, resume_token_ids=(8, 9))
    llama, vllm = llama_wire.completion_body(resumed, [1, 2]), vllm_wire.completion_body(resumed, "m", [1, 2], 100)
    assert (llama["prompt"], llama["n_predict"]) == ([1, 2, 8, 9], 3)
    assert (vllm["prompt"], vllm["max_tokens"]) == ([1, 2, 8, 9], 3)
    first = llama_wire.completion_body(FULL, [1])
    assert first["seed"] != llama["seed"] == vllm["seed"]  # the same draws again would repeat the beginning


LLAMA_STREAM = [
    'data: {"index":0,"content":"👩","tokens":[119],"stop":false,"id_slot":-1,"tokens_predicted":3}\n',
    "\n",
    'data: {"index":0,"content":" a","tokens":[216],"stop":false,"id_slot":-1,"tokens_predicted":4}\n',
    'data: {"content":"","tokens":[],"stop":true,"stop_type":"limit","tokens_predicted":4}\n',
]


def test_tokens_that_llama_cpp_swallows_before_a_whole_character_are_counted():
    reading = llama_wire.Reading(prompt_tokens=39)
    events = [event for line in LLAMA_STREAM if (event := llama_wire.event(line.encode()))]
    missing = [(reading.missing(event), reading.piece(event, event["tokens"]))[0] for event in events]
    assert missing == [2, 0, 0]
    assert reading.finished


def test_swallowed_tokens_are_the_tokenizers_where_it_ends_alike():
    assert llama_wire.with_swallowed([7, 10813, 235, 119], [119], 2) == [10813, 235, 119]


def test_otherwise_the_tokens_at_least_say_the_same_text():
    assert llama_wire.with_swallowed([10813, 235, 119], [42], 2) == [10813, 235, 119]


@pytest.mark.parametrize(("stop_type", "finish"), [("limit", "length"), ("eos", "stop"), ("word", "stop")])
def test_the_last_event_says_why_the_answer_ended(stop_type: str, finish: str):
    last = {"content": "", "tokens": [], "stop": True, "stop_type": stop_type, "tokens_predicted": 4}
    assert llama_wire.Reading(9).piece(last, ()) == Piece("", (), finish, 9, 4)  # type: ignore[arg-type]
    assert llama_wire.Reading(9, received=3).piece(last, ()).completion_tokens == 7


def test_too_long_a_prompt_is_the_callers_mistake():
    body = b'{"error":{"code":400,"message":"request (5000 tokens) exceeds","type":"exceed_context_size_error"}}'
    error = llama_wire.refusal(400, body)
    assert (error.status, error.param, error.code) == (400, "messages", "context_length_exceeded")


@pytest.mark.parametrize(
    "line", [b'error: {"code":500,"message":"boom"}\n', b'data: {"error":{"code":500,"message":"boom"}}\n']
)
def test_an_error_inside_the_stream_is_one(line: bytes):
    with pytest.raises(EngineError, match="boom"):
        llama_wire.event(line)


def test_a_version_needs_one_gguf_model(tmp_path: Path):
    with pytest.raises(EngineError, match="found none"):
        model_file(tmp_path)
    (tmp_path / "a.gguf").touch()
    assert model_file(tmp_path).name == "a.gguf"
    (tmp_path / "b.gguf").touch()
    with pytest.raises(EngineError, match=r"a\.gguf, b\.gguf"):
        model_file(tmp_path)


def test_a_split_model_is_loaded_by_its_first_part(tmp_path: Path):
    for part in (1, 2, 3):
        (tmp_path / f"m-0000{part}-of-00003.gguf").touch()
    assert model_file(tmp_path).name == "m-00001-of-00003.gguf"


def settings(**vllm: Any) -> NodeSettings:
    options = VllmSettings(**vllm)
    return NodeSettings("dev", "us-east-1", "b", "llama", "vllm", context_tokens=8192, slots=64, vllm=options)


def test_the_command_line_of_vllm_follows_the_settings():
    command = vllm_wire.serve_command(
        settings(tensor_parallel_size=4, dtype="bfloat16", quantization="fp8", extra_arguments=("--enforce-eager",)),
        Path("/models/v1"),
        Path("/run/socket"),
    )
    assert command[:3] == ["vllm", "serve", "/models/v1"]
    pairs = dict(zip(command[3:-1:2], command[4:-1:2], strict=True))
    assert pairs == {
        "--served-model-name": "llama",
        "--uds": "/run/socket",
        "--tensor-parallel-size": "4",
        "--max-model-len": "8192",
        "--max-num-seqs": "64",
        "--dtype": "bfloat16",
        "--quantization": "fp8",
    }
    assert command[-1] == "--enforce-eager"


def test_what_the_settings_leave_open_is_left_to_vllm():
    command = vllm_wire.serve_command(settings(), Path("/m"), Path("/s"))
    assert not {"--dtype", "--quantization", "--trust-remote-code"} & set(command)


def test_vllm_is_asked_for_token_ids_and_counts():
    body = vllm_wire.completion_body(FULL, "llama", [1, 2], 100)
    assert (body["return_token_ids"], body["stream_options"]) == (True, {"include_usage": True})
    assert (body["max_tokens"], body["response_format"]["type"]) == (5, "json_schema")
    assert (body["presence_penalty"], body["frequency_penalty"]) == (0.5, -0.5)
    open_ones = vllm_wire.completion_body(ASK, "llama", [1, 2], 100)
    assert open_ones["max_tokens"] == 98  # the rest of the context: vLLM's own default would be 16 tokens
    assert not {"temperature", "stop", "presence_penalty"} & set(open_ones)


def line(**event: Any) -> bytes:
    return b"data: " + json.dumps(event).encode() + b"\n"


def choice(text: str | None, ids: list[int] | None, finish: str | None = None) -> list[dict[str, Any]]:
    return [{"index": 0, "text": text, "logprobs": None, "token_ids": ids, "finish_reason": finish}]


def test_vllm_puts_several_tokens_into_one_event_when_it_is_not_read_fast_enough():
    reading = vllm_wire.Reading(3)
    assert reading.piece(line(choices=choice("Hello", [7, 8], "length"))) == Piece("Hello", (7, 8), None, 3, 2)
    last = reading.piece(b"data: [DONE]\n")
    assert last == Piece("", (), "length", 3, 2)


def test_an_answer_that_ends_without_a_reason_is_no_answer():
    reading = vllm_wire.Reading(3)
    reading.piece(line(choices=choice("Hello", [7])))
    with pytest.raises(EngineError, match="without a reason"):
        reading.piece(b"data: [DONE]\n")


@pytest.mark.parametrize("reason", ["abort", "error"])
def test_an_answer_that_vllm_gave_up_is_no_answer(reason: str):
    with pytest.raises(EngineError, match=reason):
        vllm_wire.Reading().piece(line(choices=choice("x", [1], reason)))


def test_the_figures_of_vllm_are_summed_over_its_engines():
    text = (
        "# TYPE vllm:num_requests_running gauge\n"
        'vllm:num_requests_running{engine="0",model_name="llama"} 3.0\n'
        'vllm:num_requests_running{engine="1",model_name="llama"} 2.0\n'
        'vllm:num_requests_waiting{engine="0",model_name="llama"} 1.0\n'
        'vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 9.0\n'
        'vllm:kv_cache_usage_perc{engine="0",model_name="llama"} 0.25\n'
    )
    assert vllm_wire.busy(text) == EngineLoad(5, 1, 0.25)


def test_the_figures_of_llama_cpp():
    text = "# HELP x\nllamacpp:requests_processing 2\nllamacpp:requests_deferred 5\n"
    assert llama_wire.busy(text) == EngineLoad(2, 5)


def test_the_stub_repeats_the_last_question():
    messages = (
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": "a b c"},
    )
    assert script(Generation(messages)) == ["a", " b", " c"]


async def test_the_stub_goes_on_after_its_own_tokens_alone():
    asked = Generation(({"role": "user", "content": "a b c"},), resume_token_ids=(token_id("a"),))
    pieces = [piece async for piece in StubEngine(StubSettings()).generate(asked)]
    assert ("".join(piece.text for piece in pieces), pieces[-1].completion_tokens) == (" b c", 3)
    with pytest.raises(EngineError, match="never wrote"):
        await anext(StubEngine(StubSettings()).generate(replace(asked, resume_token_ids=(1,))))


@pytest.mark.parametrize(
    ("change", "llama_cpp", "vllm"),
    [
        ({}, True, True),
        ({"stop": ("x",), "seed": 7, "temperature": 1.0}, True, True),
        ({"json_schema": {"type": "object"}}, False, False),
        ({"presence_penalty": 0.5}, True, False),
        ({"frequency_penalty": -0.5}, True, False),
    ],
)
def test_each_engine_says_what_it_can_go_on_with(change: dict[str, Any], llama_cpp: bool, vllm: bool):
    asked = replace(ASK, **change)
    assert LlamaCppEngine(context_tokens=1, slots=1).resumes(asked) is llama_cpp
    assert VllmEngine(settings()).resumes(asked) is vllm


async def test_a_stub_that_finds_no_directory_does_not_load(tmp_path: Path):
    with pytest.raises(EngineError, match="no model directory"):
        await StubEngine(StubSettings()).load(tmp_path / "gone")
