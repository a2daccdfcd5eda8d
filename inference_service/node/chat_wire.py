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
        self._role: dict[str, str] = {"role": "assistant"} if role else {}

    def chunk(self, piece: Piece) -> bytes:
        """The event for one piece; the first one also names the role, the last one why it ended."""
        delta: dict[str, str] = self._role | ({} if piece.finish and not piece.text else {"content": piece.text})
        self._role = {}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": piece.finish}
        return self._head + _compact(choice) + b"]," + _extension(piece.token_ids)

    def usage(self, last: Piece) -> bytes:
        """The extra event of stream_options.include_usage: no choices, only counts."""
        return self._head + b'],"usage":' + _compact(usage(last)) + b"," + _extension(())


def usage(last: Piece) -> dict[str, int]:
    """Token counts after the last piece."""
    return {
        "prompt_tokens": last.prompt_tokens,
        "completion_tokens": last.completion_tokens,
        "total_tokens": last.prompt_tokens + last.completion_tokens,
    }


def completion(answer_id: str, created: int, model: str, answer: Piece) -> bytes:
    """A whole answer."""
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    document = {
        "id": answer_id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}],
        "usage": usage(answer),
        CHUNK_EXTENSION: {CHUNK_TOKEN_IDS: answer.token_ids},
    }
    return _compact(document)


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
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
