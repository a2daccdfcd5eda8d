"""The JSON that llama.cpp's own /completion speaks: the body we send, and what its stream says."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inference_service.node.engines.prometheus_text import value
from inference_service.node.engines.protocol import EngineError, EngineLoad, FinishReason, Generation, Piece

UNLIMITED = -1
LAST_EVENT = ["content", "tokens", "stop", "stop_type", "tokens_predicted"]  # the rest repeats prompt and settings
TOO_LONG = "exceed_context_size_error"


def completion_body(request: Generation, prompt: Sequence[int]) -> dict[str, Any]:
    """Decode after these tokens, and say which tokens come out. What the request leaves open is left to llama.cpp."""
    options = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed_from_here(),
        "json_schema": request.json_schema,
        # Counted over the last 64 tokens, the question's among them: the same 64 on both sides of a seam.
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
    }
    return {
        "prompt": [*prompt, *request.resume_token_ids],
        "stream": True,
        "return_tokens": True,
        "cache_prompt": True,
        "n_predict": UNLIMITED if request.remaining is None else request.remaining,
        "response_fields": LAST_EVENT,
    } | {name: option for name, option in options.items() if option is not None}


def event(line: bytes) -> Mapping[str, Any] | None:
    """The event of one line of the stream; None for the empty lines between.

    Raises:
        EngineError: the event is an error.
    """
    if line.startswith((b"error: ", b'data: {"error"')):
        raise refusal(500, line.partition(b": ")[2])
    if not line.startswith(b"data: "):
        return None
    document: Mapping[str, Any] = json.loads(line[6:])
    return document


@dataclass
class Reading:
    """Where the reading of one stream stands. llama.cpp counts every token; we know the ids of `known` of them.

    `received`: tokens of the answer that were decoded elsewhere.
    """

    prompt_tokens: int
    received: int = 0
    known: int = 0
    finished: bool = False

    def missing(self, seen: Mapping[str, Any]) -> int:
        """How many tokens were decoded since the event before without being named. The last event names none."""
        if seen["stop"] or not seen["tokens"]:
            return 0
        return int(seen["tokens_predicted"]) - self.known - len(seen["tokens"])

    def piece(self, seen: Mapping[str, Any], tokens: Sequence[int]) -> Piece:
        """The piece that an event stands for, made of these tokens."""
        self.known = int(seen["tokens_predicted"])
        self.finished = bool(seen["stop"])
        finish: FinishReason | None = None
        if self.finished:
            finish = "length" if seen["stop_type"] == "limit" else "stop"
        return Piece(seen["content"], tuple(tokens), finish, self.prompt_tokens, self.received + self.known)


def with_swallowed(canonical: Sequence[int], named: Sequence[int], count: int) -> Sequence[int]:
    """All tokens of an event that names only its last ones: `count` before them belong to the same character.

    `canonical` is the tokenizer's own way to write the event's text. A model may have written those bytes
    otherwise; then nobody can tell how, and the tokenizer's way is as good to continue from: the text is the same.
    """
    return canonical[-len(named) - count :] if list(canonical[-len(named) :]) == list(named) else canonical


def refusal(status: int, body: bytes) -> EngineError:
    """llama.cpp's error document as ours."""
    try:
        document = json.loads(body)
        error = document.get("error", document)
        message, kind = str(error["message"]), error.get("type")
    except (ValueError, KeyError, AttributeError):
        message, kind = body.decode(errors="replace")[:500], None
    if kind == TOO_LONG:
        return EngineError(message, status=400, param="messages", code="context_length_exceeded")
    return EngineError(message, status=status)


def busy(metrics: str) -> EngineLoad:
    """Figures of llama.cpp's /metrics."""
    running, waiting = value(metrics, "llamacpp:requests_processing"), value(metrics, "llamacpp:requests_deferred")
    return EngineLoad(int(running or 0), int(waiting or 0))
