"""Which requests are decoded, and which are refused by name."""

from typing import Any

import pytest

from inference_service import contract
from inference_service.node.chat_request import NEUTRAL, RequestError, parse
from inference_service.node.engines.protocol import Feature

ALL: tuple[Feature, ...] = ("json_schema", "logprobs", "tools")
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_sampling_parameters_reach_the_engine():
    options = {"max_tokens": 7, "temperature": 0, "top_p": 0.5, "seed": 3, "stop": ["a", "b"]}
    generation = parse(ASK | options, supports=()).generation
    assert (generation.max_tokens, generation.temperature, generation.top_p) == (7, 0, 0.5)
    assert (generation.seed, generation.stop) == (3, ("a", "b"))


def test_a_whole_number_may_be_written_with_a_fraction_of_zero():
    assert parse(ASK | {"max_tokens": 7.0, "n": 2.0}, supports=()).generation.max_tokens == 7


def test_the_newer_name_of_the_token_limit_wins():
    assert parse(ASK | {"max_tokens": 7, "max_completion_tokens": 9}, supports=()).generation.max_tokens == 9


def test_text_in_parts_is_joined_and_a_developer_speaks_as_the_system():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    chat = parse({"model": "m", "messages": [{"role": "developer", "content": parts}]}, supports=())
    assert chat.generation.messages == ({"role": "system", "content": "ab"},)


UNSUPPORTED: dict[str, Any] = {
    "functions": [{}],
    "function_call": "auto",
    "logit_bias": {"1": 1},
    "modalities": ["audio"],
    "audio": {},
    "prediction": {},
    "reasoning_effort": "high",
    "verbosity": "high",
    "web_search_options": {},
}


@pytest.mark.parametrize(("name", "value"), UNSUPPORTED.items())
def test_what_no_engine_does_yet_is_refused_by_name(name: str, value: Any):
    with pytest.raises(RequestError) as refused:
        parse(ASK | {name: value}, supports=ALL)
    assert (refused.value.status, refused.value.param, refused.value.code) == (400, name, "unsupported_parameter")


def test_every_parameter_of_the_table_is_tried_above():
    assert set(UNSUPPORTED) == set(NEUTRAL)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"tools": [WEATHER]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"messages": [{"role": "assistant", "content": None, "tool_calls": [CALL]}]}, "messages[0]"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
    ],
)
def test_what_this_engine_cannot_do_is_refused_by_name(change: dict[str, Any], param: str):
    with pytest.raises(RequestError) as refused:
        parse(ASK | change, supports=())
    assert (refused.value.status, refused.value.param, refused.value.code) == (400, param, "unsupported_parameter")
    with_tools = {"tools": [WEATHER]} if param == "tool_choice" else {}
    assert parse(ASK | with_tools | change, supports=ALL).model == "m"


def test_several_answers_and_likelihoods_are_asked_of_the_engine():
    chat = parse(ASK | {"n": 3, "logprobs": True, "top_logprobs": 2}, supports=ALL)
    assert (chat.choices, chat.generation.top_logprobs) == (3, 2)
    assert parse(ASK | {"logprobs": True}, supports=ALL).generation.top_logprobs == 0
    assert (parse(ASK, supports=ALL).choices, parse(ASK, supports=ALL).generation.top_logprobs) == (1, None)


def test_tools_and_their_results_pass_as_they_came():
    messages = [
        {"role": "user", "content": "Is it warm?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "yes"},
    ]
    asked = parse({"model": "m", "messages": messages, "tools": [WEATHER]}, supports=ALL).generation
    assert asked.messages == tuple(messages)
    assert asked.tools == {"tools": [WEATHER], "tool_choice": "auto", "parallel_tool_calls": True}
    one = ASK | {"tools": [WEATHER], "parallel_tool_calls": False}
    named = {"type": "function", "function": {"name": "weather"}}
    assert parse(one | {"tool_choice": named}, supports=ALL).generation.tools["tool_choice"] == named
    assert parse(one, supports=ALL).generation.tools["parallel_tool_calls"] is False


def test_tools_that_may_not_be_called_are_left_out():
    assert not parse(ASK | {"tools": [WEATHER], "tool_choice": "none"}, supports=ALL).generation.tools


@pytest.mark.parametrize(
    "neutral",
    [
        {"n": 1},
        {"tools": []},
        {"tool_choice": "none"},
        {"logprobs": False},
        {"top_logprobs": 0},
        {"frequency_penalty": 0},
        {"tools": None},
        {"user": "u"},
    ],
)
def test_values_that_ask_for_nothing_pass(neutral: dict[str, Any]):
    assert parse(ASK | neutral, supports=()).model == "m"


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
        ({"messages": [{"role": "assistant", "content": "x", "function_call": {}}]}, "messages[0]"),
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
        ({"n": 0}, "n"),
        ({"n": True}, "n"),  # to Python true is 1
        ({"n": contract.MOST_CHOICES + 1}, "n"),
        ({"logprobs": 1}, "logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tools": [{"type": "function", "function": {"name": "x", "parameters": []}}]}, "tools[0]"),
        ({"tools": [{"type": "function", "function": {"name": "two words"}}]}, "tools[0]"),
        ({"tools": {}}, "tools"),
        ({"tools": [WEATHER] * 129}, "tools"),
        ({"tools": [WEATHER], "parallel_tool_calls": 1}, "parallel_tool_calls"),
        ({"parallel_tool_calls": {}}, "parallel_tool_calls"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": "some"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": [CALL | {"type": None}]}]}, "messages[0].tool_calls[0]"),
        ({"messages": [{"role": "user", "content": "x", "tool_calls": [CALL]}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "assistant", "content": "x", "tool_calls": {}}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "x"}]}]}, "messages[0].tool_calls[0]"),
    ],
)
def test_a_wrong_parameter_is_named(change: dict[str, Any], param: str):
    with pytest.raises(RequestError) as refused:
        parse(ASK | change, supports=ALL)
    assert (refused.value.status, refused.value.param) == (400, param)


def test_a_schema_passes_only_where_the_engine_can_hold_to_it():
    wanted = ASK | {
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    }
    assert parse(wanted, supports=ALL).generation.json_schema == {"type": "object"}
    with pytest.raises(RequestError) as refused:
        parse(wanted, supports=())
    assert refused.value.param == "response_format"


def test_a_gateway_names_the_tokens_to_go_on_after_and_what_the_answer_is_called():
    ours = {"resume_token_ids": [5, 6], "id": "chatcmpl-1", "created": 7}
    asked = parse(ASK | {"warmfleet": ours, "max_tokens": 5}, supports=())
    assert (asked.generation.resume_token_ids, asked.answer_id, asked.created) == ((5, 6), "chatcmpl-1", 7)
    assert asked.generation.remaining == 3
    anew = parse(ASK | {"warmfleet": None}, supports=())
    assert (anew.generation.resume_token_ids, anew.answer_id, anew.generation.remaining) == ((), None, None)
