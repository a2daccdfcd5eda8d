"""Which requests are decoded, and which are refused by name."""

from typing import Any

import pytest

from inference_service.node.chat_request import NEUTRAL, RequestError, parse

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_sampling_parameters_reach_the_engine():
    options = {"max_tokens": 7, "temperature": 0, "top_p": 0.5, "seed": 3, "stop": ["a", "b"]}
    generation = parse(ASK | options, json_schema=False).generation
    assert (generation.max_tokens, generation.temperature, generation.top_p) == (7, 0, 0.5)
    assert (generation.seed, generation.stop) == (3, ("a", "b"))


def test_the_newer_name_of_the_token_limit_wins():
    assert parse(ASK | {"max_tokens": 7, "max_completion_tokens": 9}, json_schema=False).generation.max_tokens == 9


def test_text_in_parts_is_joined_and_a_developer_speaks_as_the_system():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    chat = parse({"model": "m", "messages": [{"role": "developer", "content": parts}]}, json_schema=False)
    assert chat.generation.messages == ({"role": "system", "content": "ab"},)


UNSUPPORTED: dict[str, Any] = {
    "n": 2,
    "tools": [{"type": "function"}],
    "tool_choice": "required",
    "functions": [{}],
    "function_call": "auto",
    "logprobs": True,
    "top_logprobs": 3,
    "logit_bias": {"1": 1},
    "modalities": ["audio"],
    "audio": {},
    "prediction": {},
    "reasoning_effort": "high",
    "verbosity": "high",
    "web_search_options": {},
}


# To Python true is 1, and false is 0.
@pytest.mark.parametrize(("name", "value"), [*UNSUPPORTED.items(), ("n", True), ("top_logprobs", False)])
def test_what_no_engine_does_yet_is_refused_by_name(name: str, value: Any):
    with pytest.raises(RequestError) as refused:
        parse(ASK | {name: value}, json_schema=True)
    assert (refused.value.status, refused.value.param, refused.value.code) == (400, name, "unsupported_parameter")


def test_every_parameter_of_the_table_is_tried_above():
    assert set(UNSUPPORTED) | {"parallel_tool_calls"} == set(NEUTRAL)


@pytest.mark.parametrize(
    "neutral", [{"n": 1}, {"tools": []}, {"logprobs": False}, {"frequency_penalty": 0}, {"tools": None}, {"user": "u"}]
)
def test_values_that_ask_for_nothing_pass(neutral: dict[str, Any]):
    assert parse(ASK | neutral, json_schema=False).model == "m"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"presence_penalty": 2.5}, "presence_penalty"),
        ({"frequency_penalty": "much"}, "frequency_penalty"),
        ({"warmfleet": {"resume_token_ids": [1], "more": 1}}, "warmfleet"),
        ({"warmfleet": {"resume_token_ids": "1,2"}}, "warmfleet"),
        ({"warmfleet": {"resume_token_ids": [-1]}}, "warmfleet"),
        ({"warmfleet": {"resume_token_ids": [True]}}, "warmfleet"),
        ({"warmfleet": {"resume_token_ids": [], "id": 7}}, "warmfleet"),
        ({"warmfleet": {}}, "warmfleet"),
        ({"warmfleet": "x"}, "warmfleet"),
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "content": "x", "tool_calls": [{}]}]}, "messages[0]"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"temperature": 2.5}, "temperature"),
        ({"top_p": "1"}, "top_p"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": ""}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": []}, "stream_options"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": ["schema"]}}, "response_format"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"max_tokenz": 5}, "max_tokenz"),
    ],
)
def test_a_wrong_parameter_is_named(change: dict[str, Any], param: str):
    with pytest.raises(RequestError) as refused:
        parse(ASK | change, json_schema=True)
    assert (refused.value.status, refused.value.param) == (400, param)


def test_a_schema_passes_only_where_the_engine_can_hold_to_it():
    wanted = ASK | {
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    }
    assert parse(wanted, json_schema=True).generation.json_schema == {"type": "object"}
    with pytest.raises(RequestError) as refused:
        parse(wanted, json_schema=False)
    assert refused.value.param == "response_format"


def test_a_gateway_names_the_tokens_to_go_on_after_and_what_the_answer_is_called():
    ours = {"resume_token_ids": [5, 6], "id": "chatcmpl-1", "created": 7}
    asked = parse(ASK | {"warmfleet": ours, "max_tokens": 5}, json_schema=False)
    assert (asked.generation.resume_token_ids, asked.answer_id, asked.created) == ((5, 6), "chatcmpl-1", 7)
    assert asked.generation.remaining == 3
    anew = parse(ASK | {"warmfleet": None}, json_schema=False)
    assert (anew.generation.resume_token_ids, anew.answer_id, anew.generation.remaining) == ((), None, None)
