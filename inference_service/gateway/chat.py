"""The chat completions endpoint: have a node answer, and pass its answer on as it comes."""

from collections.abc import Callable
from contextlib import AsyncExitStack

import aiohttp
from aiohttp import HttpVersion11, web

from inference_service import contract
from inference_service.gateway import chat_request
from inference_service.gateway.dispatch import Dispatcher
from inference_service.gateway.errors import ApiError
from inference_service.gateway.event_stream import BadAnswerError
from inference_service.gateway.metrics import GatewayMetrics
from inference_service.gateway.request_record import RECORD, Record
from inference_service.gateway.settings import GatewaySettings
from inference_service.gateway.stalls import GatewayStoppingError, OpenStreams, UpstreamSilentError
from inference_service.gateway.upstream import Opening

UPSTREAM_ERRORS = (aiohttp.ClientError, OSError, BadAnswerError, UpstreamSilentError, GatewayStoppingError)
INTERRUPTED = ApiError(502, "The answer broke off: the node that gave it was lost.", code="stream_interrupted")


class ChatEndpoint:
    """Handles POST /v1/chat/completions."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        settings: GatewaySettings,
        metrics: GatewayMetrics,
        streams: OpenStreams,
        clock: Callable[[], float],
    ) -> None:
        self._dispatcher = dispatcher
        self._settings = settings
        self._metrics = metrics
        self._streams = streams
        self._clock = clock

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request.

        Raises:
            ApiError: nothing has been sent yet; the application turns it into an answer.
        """
        record = request[RECORD]
        chat = await chat_request.read(
            request,
            self._settings.models,
            body_seconds=self._settings.body_seconds,
            longest_wait=self._settings.longest_wait_seconds,
        )
        record.model = chat.model
        async with AsyncExitStack() as stack:
            opening = await self._dispatcher.open(stack, chat, record)
            record.version = opening.version
            headers = {contract.HEADER_MODEL_VERSION: opening.version}
            if not chat.stream:
                return web.Response(body=opening.first, content_type="application/json", headers=headers)
            record.first_at = self._clock()
            self._metrics.first_token.observe(record.first_at - record.started)
            return await self._stream(request, record, opening, headers)

    async def _stream(
        self, request: web.Request, record: Record, opening: Opening, headers: dict[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers=headers | {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        if request.version >= HttpVersion11:
            response.enable_chunked_encoding()
        stream = self._streams.add(request, opening.response.content, self._clock())
        try:
            await response.prepare(request)
            await response.write(opening.first)
            record.problem = await _relay(opening, request, response)
        finally:
            self._streams.remove(stream)
            record.tokens = opening.cutter.tokens
            self._metrics.tokens.inc(opening.cutter.tokens)
        if not opening.cutter.finished:
            self._metrics.broken.inc()
            record.problem = record.problem or "the node ended the stream without [DONE]"
            if not opening.cutter.failed:
                await response.write(INTERRUPTED.event())
        await response.write_eof()
        return response


async def _relay(opening: Opening, request: web.Request, response: web.StreamResponse) -> str | None:
    """Pass on what the node sends until it ends; returns why the node's side broke, or None.

    This loop runs for every token. It writes HTTP chunks to the client's connection by itself, which takes a tenth less
    CPU than aiohttp's way; once the client lags (64 KiB unsent) it goes aiohttp's way, which waits for the client.
    """
    content, feed, protocol = opening.response.content, opening.cutter.feed, request.protocol
    while True:
        try:
            data = await content.readany()
            events = feed(data)
        except UPSTREAM_ERRORS as error:
            return f"{type(error).__name__}: {error}"
        if not events:
            if not data:
                return None
        elif protocol.writing_paused or protocol.transport is None or not response.chunked:
            await response.write(events)
        else:
            protocol.transport.write(b"%x\r\n%b\r\n" % (len(events), events))
