"""The chat completions endpoint: have a node answer, and pass its answer on as it comes."""

from collections.abc import Callable
from contextlib import AsyncExitStack

import aiohttp
from aiohttp import HttpVersion11, web

from inference_service import contract
from inference_service.gateway import chat_request
from inference_service.gateway.chat_request import ChatRequest
from inference_service.gateway.dispatch import Dispatcher
from inference_service.gateway.errors import ApiError
from inference_service.gateway.event_stream import BadAnswerError
from inference_service.gateway.metrics import GatewayMetrics
from inference_service.gateway.request_record import RECORD, Record
from inference_service.gateway.resume import Client, Resumer, Takeovers
from inference_service.gateway.settings import GatewaySettings
from inference_service.gateway.stalls import GatewayStoppingError, OpenStreams, UpstreamSilentError
from inference_service.gateway.stream_memory import StreamMemory
from inference_service.gateway.upstream import Opening

UPSTREAM_ERRORS = (aiohttp.ClientError, OSError, BadAnswerError, UpstreamSilentError, GatewayStoppingError)
INTERRUPTED = ApiError(502, "The answer broke off: the node that gave it was lost.", code="stream_interrupted")


class ChatEndpoint:
    """Handles POST /v1/chat/completions."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        resumer: Resumer,
        settings: GatewaySettings,
        metrics: GatewayMetrics,
        streams: OpenStreams,
        clock: Callable[[], float],
    ) -> None:
        self._dispatcher = dispatcher
        self._resumer = resumer
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
            if not chat.stream:
                headers = {contract.HEADER_MODEL_VERSION: opening.version}
                return web.Response(body=opening.first, content_type="application/json", headers=headers)
            record.first_at = self._clock()
            self._metrics.first_token.observe(record.first_at - record.started)
            return await self._stream(request, stack, chat, record, opening)

    async def _stream(
        self, request: web.Request, stack: AsyncExitStack, chat: ChatRequest, record: Record, opening: Opening
    ) -> web.StreamResponse:
        headers = {contract.HEADER_MODEL_VERSION: opening.version, "Content-Type": "text/event-stream"}
        response = web.StreamResponse(headers=headers | {"Cache-Control": "no-cache"})
        if request.version >= HttpVersion11:
            response.enable_chunked_encoding()
        stream = self._streams.add(request, opening.response.content, self._clock())
        memory = StreamMemory(opening.version, opening.cutter.ids)
        try:
            await response.prepare(request)
            record.problem = await self._carry(stack, chat, record, opening, Client(request, response, stream), memory)
        finally:
            self._streams.remove(stream)
            record.tokens = memory.tokens
            self._metrics.tokens.inc(memory.tokens)
        if record.problem is None:
            self._dispatcher.learn(record.model, memory.tokens)
        else:
            self._metrics.broken.inc()
        await response.write_eof()
        return response

    async def _carry(
        self,
        stack: AsyncExitStack,
        chat: ChatRequest,
        record: Record,
        opening: Opening,
        client: Client,
        memory: StreamMemory,
    ) -> str | None:
        """Pass the answer on, from one node after another; returns why it broke off in the end, or None."""
        tried = Takeovers()
        while True:
            if memory.answer_id is None:
                memory.name(opening.first)
            await client.response.write(opening.first)
            problem = await _relay(opening, client.request, client.response)
            if opening.cutter.finished:
                return None
            problem = problem or "the node ended the stream without [DONE]"
            last_word = opening.cutter.error or INTERRUPTED.event()
            client.stream.follow(None, self._clock())
            if client.stream.stopping.is_set() or not self._settings.resume:
                await client.response.write(last_word)
                return problem
            if refusal := tried.refusal(memory):
                await client.response.write(last_word)
                return f"{problem}; not taken over: {refusal}"
            self._note(record, opening, tried, problem)
            await stack.aclose()  # the old node stops decoding
            try:
                opening = await self._resumer.take_over(stack, chat, record, memory, tried, client)
            except ApiError as error:
                await client.response.write(opening.cutter.error or error.event())
                return f"{problem}; {error.message}"
            record.resumed += 1
            self._metrics.resumed.inc()
            client.stream.follow(opening.response.content, self._clock())

    def _note(self, record: Record, opening: Opening, tried: Takeovers, problem: str) -> None:
        """A node that hands over has not failed; it takes nothing more either."""
        node = record.node or ""
        if not opening.cutter.handed_over:
            record.failed_nodes.append(f"{node}: {problem}")
            tried.failed.add(node)
        if not opening.cutter.error:
            self._resumer.fleet.set_aside(node)


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
            if opening.cutter.error or opening.cutter.handed_over:
                return "the node ended the stream with an error" if opening.cutter.error else "the node handed it over"
        elif protocol.writing_paused or protocol.transport is None or not response.chunked:
            await response.write(events)
        else:
            protocol.transport.write(b"%x\r\n%b\r\n" % (len(events), events))
