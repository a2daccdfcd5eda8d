"""A client of a stream that has begun, and waits: for its first token, or for another node to go on.

It gets comments, so that neither proxies nor a load balancer's idle timeout (60 s on an ALB,
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html) cut it off.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from inference_service import contract
from inference_service.gateway.errors import ApiError
from inference_service.gateway.stalls import OpenStream
from inference_service.gateway.upstream import Opening

FOR_THE_FIRST_TOKEN = b": waiting for the first token\n\n"
FOR_ANOTHER_NODE = b": waiting for another node\n\n"


@dataclass(frozen=True)
class Client:
    """Who waits."""

    request: web.Request
    response: web.StreamResponse
    stream: OpenStream


def over() -> ApiError:
    text = f"The answer took longer than {contract.HEADER_TOTAL_TIMEOUT} allows, or an hour."
    return ApiError(504, text, code="deadline_exceeded")


def stopping() -> ApiError:
    return ApiError(503, "The answer broke off, and this gateway is stopping.", code="stream_interrupted")


async def with_comments(
    finding: "asyncio.Future[Opening] | Coroutine[Any, Any, Opening]", client: Client, comment: bytes, pause: float
) -> Opening:
    """The answer of `finding`; a comment to the client every `pause` seconds until it is there.

    Raises:
        ApiError: of `finding`; stopping or over, when the client's stream has to end before.
    """
    task, ending = asyncio.ensure_future(finding), asyncio.ensure_future(client.stream.stopping.wait())
    both = (task, ending)
    try:
        while not (await asyncio.wait(both, timeout=pause, return_when=asyncio.FIRST_COMPLETED))[0]:
            await client.response.write(comment)
        if not task.done():
            raise over() if client.stream.over else stopping()
        return task.result()
    finally:
        for each in both:
            each.cancel()
        await asyncio.gather(*both, return_exceptions=True)
