"""What is recorded, case by case: questions as the node asks them. Names are those of the files."""

from dataclasses import replace

from inference_service.node.engines.protocol import Generation

SCHEMA = {
    "type": "object",
    "properties": {"city": {"enum": ["Rome", "Paris"]}, "warm": {"type": "boolean"}},
    "required": ["city", "warm"],
    "additionalProperties": False,
}


def ask(content: str, **options: object) -> Generation:
    """A question with one message, at temperature 0 unless the options say otherwise."""
    return replace(Generation(({"role": "user", "content": content},), temperature=0.0), **options)  # type: ignore[arg-type]


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"enum": ["Rome", "Oslo"]}}, "required": ["city"]},
    },
}


def offered(choice: object = "auto", *, parallel: bool = True) -> dict[str, object]:
    return {"tools": [WEATHER], "tool_choice": choice, "parallel_tool_calls": parallel}


CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
RESULT = (
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "warm"},
)
PLAIN = ask("hello", max_tokens=12)
CASES = {
    "answer": PLAIN,
    "answer_to_its_end": ask("a"),
    "character_of_several_tokens": ask("hello", max_tokens=24),
    "sampled_with_a_seed": ask("hi", max_tokens=12, temperature=1.0, top_p=0.9, seed=7),
    "penalties": ask("hi", max_tokens=20, presence_penalty=1.5, frequency_penalty=1.5),
    "json_schema": ask("hello", max_tokens=80, json_schema=SCHEMA),
    "likelihoods": ask("hello", max_tokens=12, top_logprobs=2),
    "likelihoods_of_the_tokens_alone": ask("hi", max_tokens=4, temperature=1.0, seed=1, top_logprobs=0),
    "tool_called": ask("hello", max_tokens=40, tools=offered()),
    "tool_called_with_likelihoods": ask("hello", max_tokens=40, tools=offered(), top_logprobs=1),
    "tool_required": ask("hello", max_tokens=40, tools=offered("required", parallel=False)),
    "tool_named": ask("hello", max_tokens=40, tools=offered({"type": "function", "function": {"name": "weather"}})),
    "tool_call_cut_short": ask("hello", max_tokens=2, tools=offered()),
    "result_of_a_tool": replace(PLAIN, messages=RESULT),
    "prompt_too_long": ask("far too long " * 60, max_tokens=4),
    "bad_parameter": ask("hello", max_tokens=4, top_p=0.0),
    "bad_schema": ask("hello", max_tokens=4, json_schema={"type": "no such type"}),
}
SEAMS = {
    "rest_of_an_answer": (PLAIN, 5),
    "rest_from_within_a_character": (CASES["character_of_several_tokens"], 10),
    "rest_with_likelihoods": (CASES["likelihoods"], 5),
}
LONG = ask("again", max_tokens=300)
