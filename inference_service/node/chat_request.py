"""Which parameters of a chat completion are used, ignored or refused: one table, and the checks behind it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from inference_service import contract
from inference_service.node.engines.protocol import Generation
from inference_service.node.resume_request import Resume, ResumeError
from inference_service.node.resume_request import read as read_resume

ROLES = ("system", "developer", "user", "assistant")


class RequestError(Exception):
    """A request in error, as https://platform.openai.com/docs/guides/error-codes tells it."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code


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


def _anything(value: Any) -> bool:
    return True


def _just(neutral: Any) -> Callable[[Any], bool]:
    """Of the same type, too: to Python true is 1, and false is 0."""
    return lambda value: type(value) is type(neutral) and value == neutral


# Members of a request that shape the answer; everything else is in one of the two tables below, or unknown.
SAMPLING = frozenset(["max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "stop"])
PENALTIES = frozenset(["presence_penalty", "frequency_penalty"])
USED = SAMPLING | PENALTIES | {"model", "messages", "stream", "stream_options", "response_format"}
# Accepted without effect.
IGNORED = frozenset(["user", "metadata", "store", "safety_identifier", "prompt_cache_key", "service_tier"])
# Refused, except with the value that asks for nothing.
NEUTRAL: Mapping[str, Callable[[Any], bool]] = {
    "n": _just(1),
    "tools": _just([]),
    "tool_choice": _just("none"),
    "parallel_tool_calls": _anything,
    "functions": _just([]),
    "function_call": _just("none"),
    "logprobs": _just(False),
    "top_logprobs": _just(0),
    "logit_bias": _just({}),
    "modalities": _just(["text"]),
    "audio": lambda value: False,
    "prediction": lambda value: False,
    "reasoning_effort": _just("none"),
    "verbosity": _just("medium"),
    "web_search_options": lambda value: False,
}


def parse(body: Any, *, json_schema: bool) -> ChatRequest:
    """Check a request body. `json_schema`: whether the engine can hold an answer to a schema.

    Raises:
        RequestError: naming the first parameter that is wrong or not supported.
    """
    if not isinstance(body, dict):
        raise RequestError("the body must be a JSON object")
    given = {name: value for name, value in body.items() if value is not None}
    _refuse_unsupported(given)
    resume = _resume(given.get(contract.CHUNK_EXTENSION))
    generation = Generation(
        messages=_messages(given.get("messages")),
        max_tokens=_max_tokens(given),
        temperature=_number(given, "temperature", 0, 2),
        top_p=_number(given, "top_p", 0, 1),
        seed=_integer(given, "seed", -(2**63), 2**63 - 1),
        stop=_stop(given.get("stop")),
        json_schema=_schema(given.get("response_format"), json_schema),
        presence_penalty=_number(given, "presence_penalty", -2, 2),
        frequency_penalty=_number(given, "frequency_penalty", -2, 2),
        resume_token_ids=resume.token_ids if resume else (),
    )
    options = given.get("stream_options", {})
    if not isinstance(options, dict):
        raise RequestError("stream_options must be an object", param="stream_options")
    return ChatRequest(
        model=_model(given),
        generation=generation,
        stream=_flag(given, "stream"),
        include_usage=options.get("include_usage") is True,
        answer_id=resume.answer_id if resume else None,
        created=resume.created if resume else None,
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
            text = f"{name} is not supported here; leave it out"
            raise RequestError(text, param=name, code="unsupported_parameter")


def _model(given: Mapping[str, Any]) -> str:
    model = given.get("model")
    if not isinstance(model, str) or not model:
        raise RequestError("you must provide a model parameter", param="model")
    return model


def _messages(value: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list) or not value:
        raise RequestError("messages must be a list of at least one message", param="messages")
    return tuple(_message(message, f"messages[{place}]") for place, message in enumerate(value))


def _message(message: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        raise RequestError(f"{where}.role must be one of {', '.join(ROLES)}", param=f"{where}.role")
    if message.get("tool_calls") not in (None, []) or message.get("function_call") is not None:
        raise RequestError(f"{where}: tool calls are not supported here", param=where, code="unsupported_parameter")
    role = "system" if message["role"] == "developer" else message["role"]
    return {"role": role, "content": _content(message.get("content"), f"{where}.content")}


def _content(content: Any, where: str) -> str:
    """Text, also when it comes as a list of text parts; images and sound are refused."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise RequestError(f"{where} must be a string or a list of text parts", param=where)
    for part in parts:
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            text = f"{where}: parts of type {part.get('type')!r} are not supported here, text is"
            raise RequestError(text, param=where, code="unsupported_parameter")
    return "".join(part["text"] for part in parts)


def _max_tokens(given: Mapping[str, Any]) -> int | None:
    newer = _integer(given, "max_completion_tokens", 1, 2**31 - 1)
    older = _integer(given, "max_tokens", 1, 2**31 - 1)
    return older if newer is None else newer


def _integer(given: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    value = given.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most):
        raise RequestError(f"{name} is {value!r}; a whole number from {least} to {most} is needed", param=name)
    return value


def _number(given: Mapping[str, Any], name: str, least: float, most: float) -> float | None:
    value = given.get(name)
    if value is not None and (
        not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most
    ):
        raise RequestError(f"{name} is {value!r}; a number from {least} to {most} is needed", param=name)
    return value


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise RequestError(f"{name} is {value!r}; true or false is needed", param=name)
    return value


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
        text = f"response_format of type {kind!r} is not supported by this model's engine"
        raise RequestError(text, param="response_format", code="unsupported_parameter")
    named = {"schema": {"type": "object"}} if kind == "json_object" else value.get("json_schema")
    schema = named.get("schema") if isinstance(named, dict) else None
    if not isinstance(schema, dict):
        raise RequestError("response_format.json_schema.schema must be an object", param="response_format")
    return schema
