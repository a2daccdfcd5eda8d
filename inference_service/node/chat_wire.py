"""The bytes of chat completions: chunks, whole answers and errors in OpenAI's shape.

Each chunk and each whole answer ends with the `warmfleet` member, so that the gateway can cut it off unparsed.
"""

import json
from collections.abc import Sequence
from typing import Any

from inference_service.contract import CHUNK_EXTENSION, CHUNK_HANDOVER, CHUNK_TOKEN_IDS
from inference_service.node.engines.protocol import Piece

DONE = b"data: [DONE]\n\n"
HANDOVER = f'data: {{"{CHUNK_EXTENSION}":{{"{CHUNK_HANDOVER}":true}}}}\n\n'.encode()
HELD_BACK = b": held back until it is complete\n\n"


class ChunkWriter:
    """Writes one answer's chunks. What does not change between them is rendered once: this runs for every token."""

    def __init__(self, answer_id: str, created: int, model: str, *, role: bool = True) -> None:
        fixed = {"id": answer_id, "object": "chat.completion.chunk", "created": created, "model": model}
        self._head = b"data: " + _compact(fixed)[:-1] + b',"choices":['
        self._begun: set[int] = set() if role else {0}

    def chunk(self, piece: Piece, number: int = 0) -> bytes:
        """The event for one piece of one answer; its first one also names the role, its last one why it ended."""
        delta: dict[str, Any] = {} if piece.finish and not piece.text else {"content": piece.text}
        if number not in self._begun:
            self._begun.add(number)
            delta = {"role": "assistant"} | delta
        if piece.tool_calls:
            delta["tool_calls"] = [{"index": place} | dict(call) for place, call in enumerate(piece.tool_calls)]
        choice = {"index": number, "delta": delta, "logprobs": _logprobs(piece), "finish_reason": piece.finish}
        return self._head + _compact(choice) + b"]," + _extension(piece.token_ids)

    def usage(self, last: Sequence[Piece]) -> bytes:
        """The extra event of stream_options.include_usage: no choices, only counts."""
        return self._head + b'],"usage":' + _compact(usage(last)) + b"," + _extension(())


def usage(last: Sequence[Piece]) -> dict[str, int]:
    """Token counts after the last piece of each answer. They share the prompt, which is counted once."""
    prompt_tokens, completion_tokens = last[0].prompt_tokens, sum(piece.completion_tokens for piece in last)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def completion(answer_id: str, created: int, model: str, answers: Sequence[Piece]) -> bytes:
    """Whole answers to one question."""
    document = {
        "id": answer_id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [_choice(number, answer) for number, answer in enumerate(answers)],
        "usage": usage(answers),
        CHUNK_EXTENSION: {CHUNK_TOKEN_IDS: [token for answer in answers for token in answer.token_ids]},
    }
    return _compact(document)


def _choice(number: int, answer: Piece) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.tool_calls:
        message |= {"content": answer.text or None, "tool_calls": answer.tool_calls}
    return {"index": number, "message": message, "logprobs": _logprobs(answer), "finish_reason": answer.finish}


def _logprobs(piece: Piece) -> dict[str, Any] | None:
    if not piece.logprobs:
        return None
    content = [
        _likely(each.token, each.logprob) | {"top_logprobs": [_likely(*other) for other in each.top]}
        for each in piece.logprobs
    ]
    return {"content": content, "refusal": None}


def _likely(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode(errors="replace"))}


def error(message: str, *, status: int, param: str | None = None, code: str | None = None) -> bytes:
    """An error document; its type follows the status as OpenAI's do."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return _compact({"error": {"message": message, "type": kind, "param": param, "code": code}})


def error_event(message: str, code: str | None) -> bytes:
    """An error after the status line has gone: an event, and no [DONE] after it."""
    return b"data: " + error(message, status=500, code=code) + b"\n\n"


def _extension(token_ids: Sequence[int]) -> bytes:
    ids = ",".join(map(str, token_ids))
    return f'"{CHUNK_EXTENSION}":{{"{CHUNK_TOKEN_IDS}":[{ids}]}}}}\n\n'.encode()


def _compact(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")  # half a character
