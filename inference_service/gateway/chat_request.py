"""What the gateway itself needs of a chat completion: the model, whether it streams, and how long the client waits.

Everything else is the node's to check (docs/api.md).
"""

import json
from collections.abc import Collection
from dataclasses import dataclass

from aiohttp import web

from inference_service import contract
from inference_service.gateway import patience, work
from inference_service.gateway.errors import ApiError, unknown_model
from inference_service.gateway.http_edge import MOST_NESTING, deeper_than
from inference_service.gateway.open_requests import Place, body_of
from inference_service.gateway.patience import Patience
from inference_service.gateway.work import Work


@dataclass(frozen=True)
class ChatRequest:
    """A request on its way: `body` is what a node gets."""

    model: str
    stream: bool
    body: bytes
    patience: Patience
    work: Work
    version: str | None = None  # only a node that serves it may answer


async def read(
    request: web.Request, place: Place, models: Collection[str], *, body_seconds: float, longest_wait: float
) -> ChatRequest:
    """Take the request in.

    Raises:
        ApiError: the body is late, not a JSON object, or names no model of `models`; a time limit is no number.
        web.HTTPRequestEntityTooLarge: it is above the application's limit.
    """
    waits = patience.read(request.headers, longest_wait)
    return parse(await body_of(request, place, body_seconds), models, waits)


def parse(body: bytes, models: Collection[str], waits: Patience) -> ChatRequest:
    """Check the body as far as the gateway must. Its own extension is no client's to use: it is taken out.

    Raises:
        ApiError: 400 or 404.
    """
    try:
        document = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        text = f"We could not parse the JSON body of your request: {error}"
        raise ApiError(400, text, code="invalid_json") from error
    if deeper_than(document, MOST_NESTING):
        text = f"The body is nested deeper than {MOST_NESTING} arrays and objects."
        raise ApiError(400, text, code="invalid_json")
    if not isinstance(document, dict):
        raise ApiError(400, "The body of your request must be a JSON object.", code="invalid_json")
    model, stream = document.get("model"), document.get("stream")
    if not isinstance(model, str) or not model:
        raise ApiError(400, "You must provide a model parameter.", param="model")
    if model not in models:
        raise unknown_model(model)
    if stream is not None and not isinstance(stream, bool):
        raise ApiError(400, f"stream is {stream!r}; true or false is needed.", param="stream")
    if contract.CHUNK_EXTENSION in document:
        del document[contract.CHUNK_EXTENSION]
        body = json.dumps(document).encode()
    return ChatRequest(model, bool(stream), body, waits, work.expected(document))


def _no_number(name: str) -> None:
    """Python reads NaN and Infinity, which JSON does not have and other parsers refuse."""
    raise ValueError(f"{name} is no JSON")
