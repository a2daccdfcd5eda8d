"""Errors as clients of OpenAI expect them: {"error": {message, type, param, code}}.

https://platform.openai.com/docs/guides/error-codes
"""

import json
from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """A request that is answered with an error. `retry_after` is in seconds."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str | None = None,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind or kind_of(status)
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)

    def body(self) -> bytes:
        """The error document."""
        members = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return json.dumps({"error": members}, ensure_ascii=False).encode(errors="replace")  # half a character has none

    def event(self) -> bytes:
        """The error after the status line has gone: one event, and no [DONE] after it."""
        return b"data: " + self.body() + b"\n\n"


class NodeRefusedError(ApiError):
    """What a node itself said instead of an answer."""


def kind_of(status: int) -> str:
    """The error's type, which follows the status as OpenAI's do."""
    return "server_error" if status >= 500 else "invalid_request_error"


def unknown_path(method: str, path: str) -> ApiError:
    return ApiError(404, f"Invalid URL ({method} {path})", code="unknown_url")


def unknown_model(model: str) -> ApiError:
    text = f"The model `{model}` does not exist or you do not have access to it."
    return ApiError(404, text, param="model", code="model_not_found")


def from_node(status: int, document: Any) -> NodeRefusedError:
    """A node's error document, or a general sentence where it sent none."""
    error = document.get("error") if isinstance(document, Mapping) else None
    if not isinstance(error, Mapping) or not isinstance(error.get("message"), str):
        return NodeRefusedError(502, f"The node answered {status} without a reason.", code="bad_node_answer")
    return NodeRefusedError(
        status,
        error["message"],
        code=_text(error.get("code")),
        param=_text(error.get("param")),
        kind=_text(error.get("type")),
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
