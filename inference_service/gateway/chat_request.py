"""What the gateway itself needs of a chat completion: the model, whether it streams, and how long the client waits.

Everything else is the node's to check (docs/api.md).
"""

import asyncio
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aiohttp import web

from inference_service import contract
from inference_service.gateway import work
from inference_service.gateway.errors import ApiError, unknown_model
from inference_service.gateway.work import Work


@dataclass(frozen=True)
class ChatRequest:
    """A request on its way: `body` is what a node gets. `wait_seconds` None: the client named no deadline."""

    model: str
    stream: bool
    body: bytes
    wait_seconds: float | None
    work: Work
    version: str | None = None  # only a node that serves it may answer


async def read(
    request: web.Request, models: Collection[str], *, body_seconds: float, longest_wait: float
) -> ChatRequest:
    """Take the request in.

    Raises:
        ApiError: the body is late, not a JSON object, or names no model of `models`; the deadline is no number.
        web.HTTPRequestEntityTooLarge: by aiohttp, above the application's limit.
    """
    wait = wait_seconds(request.headers, longest_wait)
    try:
        async with asyncio.timeout(body_seconds):
            body = await request.read()
    except TimeoutError as error:
        text = f"The request body did not arrive within {body_seconds:g} s."
        raise ApiError(408, text, code="request_timeout") from error
    return parse(body, models, wait)


def parse(body: bytes, models: Collection[str], wait: float | None) -> ChatRequest:
    """Check the body as far as the gateway must. Its own extension is no client's to use: it is taken out.

    Raises:
        ApiError: 400 or 404.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        text = f"We could not parse the JSON body of your request: {error}"
        raise ApiError(400, text, code="invalid_json") from error
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
    return ChatRequest(model, bool(stream), body, wait, work.expected(document))


def wait_seconds(headers: Mapping[str, str], longest: float) -> float | None:
    """How long the client is ready to wait for its answer to begin; None where it does not say.

    Raises:
        ApiError: 400, the header is not a number of seconds.
    """
    raw = headers.get(contract.HEADER_DEADLINE)
    if raw is None:
        return None
    try:
        seconds = float(raw)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        text = f"{contract.HEADER_DEADLINE} is {raw[:40]!r}; a number of seconds from 0 is needed."
        raise ApiError(400, text, param=contract.HEADER_DEADLINE)
    return min(seconds, longest)
