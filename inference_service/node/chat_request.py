"""Which parameters of a chat completion are used, ignored or refused: one table, and the checks behind it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from inference_service import contract
from inference_service.node import chat_messages, tool_request
from inference_service.node.engines.protocol import Feature, Generation
from inference_service.node.request_values import RequestError, flag, integer, number, unsupported
from inference_service.node.resume_request import Resume, ResumeError
from inference_service.node.resume_request import read as read_resume

__all__ = ["ChatRequest", "RequestError", "parse"]

MOST_TOP_LOGPROBS = 20  # as OpenAI has it, and vLLM by default


@dataclass(frozen=True)
class ChatRequest:
    """A checked request: what to decode, and how to answer.

    `answer_id` and `created`: what another node, which began this answer, has told the client.
    """

    model: str
    generation: Generation
    stream: bool
    include_usage: bool
    answer_id: str | None = None
    created: int | None = None
    choices: int = 1


def _just(neutral: Any) -> Callable[[Any], bool]:
    """Of the same type, too: to Python true is 1, and false is 0."""
    return lambda value: type(value) is type(neutral) and value == neutral


# Members of a request that shape the answer; everything else is in one of the two tables below, or unknown.
SAMPLING = frozenset(["max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "stop"])
PENALTIES = frozenset(["presence_penalty", "frequency_penalty"])
SHAPE = frozenset(["n", "logprobs", "top_logprobs", "response_format"])
TOOLS = frozenset(["tools", "tool_choice", "parallel_tool_calls"])
USED = SAMPLING | PENALTIES | SHAPE | TOOLS | {"model", "messages", "stream", "stream_options"}
# Accepted without effect.
IGNORED = frozenset(["user", "metadata", "store", "safety_identifier", "prompt_cache_key", "service_tier"])
# Refused, except with the value that asks for nothing.
NEUTRAL: Mapping[str, Callable[[Any], bool]] = {
    "functions": _just([]),
    "function_call": _just("none"),
    "logit_bias": _just({}),
    "modalities": _just(["text"]),
    "audio": lambda value: False,
    "prediction": lambda value: False,
    "reasoning_effort": _just("none"),
    "verbosity": _just("medium"),
    "web_search_options": lambda value: False,
}


def parse(body: Any, *, supports: Collection[Feature]) -> ChatRequest:
    """Check a request body. `supports`: what the engine can do that others cannot.

    Raises:
        RequestError: naming the first parameter that is wrong or not supported.
    """
    if not isinstance(body, dict):
        raise RequestError("the body must be a JSON object")
    given = {name: value for name, value in body.items() if value is not None}
    _refuse_unsupported(given)
    resume = _resume(given.get(contract.CHUNK_EXTENSION))
    generation = Generation(
        messages=chat_messages.read(given.get("messages"), tools="tools" in supports),
        max_tokens=_max_tokens(given),
        temperature=number(given, "temperature", 0, 2),
        top_p=number(given, "top_p", 0, 1),
        seed=integer(given, "seed", -(2**63), 2**63 - 1),
        stop=_stop(given.get("stop")),
        json_schema=_schema(given.get("response_format"), "json_schema" in supports),
        presence_penalty=number(given, "presence_penalty", -2, 2),
        frequency_penalty=number(given, "frequency_penalty", -2, 2),
        resume_token_ids=resume.token_ids if resume else (),
        top_logprobs=_top_logprobs(given, supported="logprobs" in supports),
        tools=tool_request.read(given, supported="tools" in supports),
    )
    options = given.get("stream_options", {})
    if not isinstance(options, dict):
        raise RequestError("stream_options must be an object", param="stream_options")
    return ChatRequest(
        model=_model(given),
        generation=generation,
        stream=flag(given, "stream"),
        include_usage=options.get("include_usage") is True,
        answer_id=resume.answer_id if resume else None,
        created=resume.created if resume else None,
        choices=integer(given, "n", 1, contract.MOST_CHOICES) or 1,
    )


def _resume(extension: Any) -> Resume | None:
    try:
        return read_resume(extension)
    except ResumeError as error:
        raise RequestError(str(error), param=contract.CHUNK_EXTENSION) from error


def _refuse_unsupported(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name in USED or name in IGNORED or name == contract.CHUNK_EXTENSION:
            continue
        if name not in NEUTRAL:
            raise RequestError(f"Unrecognized request argument supplied: {name}", param=name, code="unknown_parameter")
        if not NEUTRAL[name](value):
            raise unsupported(f"{name} is not supported here; leave it out", name)


def _model(given: Mapping[str, Any]) -> str:
    model = given.get("model")
    if not isinstance(model, str) or not model:
        raise RequestError("you must provide a model parameter", param="model")
    return model


def _max_tokens(given: Mapping[str, Any]) -> int | None:
    newer = integer(given, "max_completion_tokens", 1, 2**31 - 1)
    older = integer(given, "max_tokens", 1, 2**31 - 1)
    return older if newer is None else newer


def _top_logprobs(given: Mapping[str, Any], *, supported: bool) -> int | None:
    """How many logarithmic probabilities beside each token's own; None where none are asked for."""
    wanted, top = flag(given, "logprobs"), integer(given, "top_logprobs", 0, MOST_TOP_LOGPROBS)
    if top and not wanted:
        raise RequestError("top_logprobs is only allowed where logprobs is true", param="top_logprobs")
    if wanted and not supported:
        raise unsupported("logprobs is not supported by this model's engine; leave it out", "logprobs")
    return (top or 0) if wanted else None


def _stop(value: Any) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else ([] if value is None else value)
    if not isinstance(words, list) or len(words) > 4 or not all(isinstance(word, str) and word for word in words):
        raise RequestError("stop must be a string or a list of up to 4 strings, none empty", param="stop")
    return tuple(words)


def _schema(value: Any, supported: bool) -> Mapping[str, Any] | None:
    kind = value.get("type") if isinstance(value, dict) else None
    if value is None or kind == "text":
        return None
    if not supported or kind not in ("json_schema", "json_object"):
        raise unsupported(
            f"response_format of type {kind!r} is not supported by this model's engine", "response_format"
        )
    named = {"schema": {"type": "object"}} if kind == "json_object" else value.get("json_schema")
    schema = named.get("schema") if isinstance(named, dict) else None
    if not isinstance(schema, dict):
        raise RequestError("response_format.json_schema.schema must be an object", param="response_format")
    return schema
