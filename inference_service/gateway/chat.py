"""The chat completions endpoint: have a node answer, and pass its answer on as it comes."""

import asyncio
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
from inference_service.gateway.handover import GivenUpError, LeavingNodeError
from inference_service.gateway.metrics import GatewayMetrics
from inference_service.gateway.open_requests import OpenRequests, Place
from inference_service.gateway.patience import LONGEST_TOTAL_SECONDS
from inference_service.gateway.request_record import RECORD, Record
from inference_service.gateway.resume import Resumer, Takeovers
from inference_service.gateway.settings import GatewaySettings
from inference_service.gateway.stalls import GatewayStoppingError, OpenStreams, TotalTimeError, UpstreamSilentError
from inference_service.gateway.stream_memory import Carried, StreamMemory
from inference_service.gateway.upstream import Opening
from inference_service.gateway.waiting import FOR_THE_FIRST_TOKEN, Client, over, with_comments

UPSTREAM_ERRORS = (
    aiohttp.ClientError,
    OSError,
    BadAnswerError,
    UpstreamSilentError,
    GatewayStoppingError,
    TotalTimeError,
    LeavingNodeError,
    GivenUpError,
)
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
        opened: OpenRequests,
        clock: Callable[[], float],
    ) -> None:
        self._dispatcher = dispatcher
        self._resumer = resumer
        self._settings = settings
        self._metrics = metrics
        self._streams = streams
        self._clock = clock
        self._requests = opened

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request.

        Raises:
            ApiError: nothing has been sent yet; the application turns it into an answer.
        """
        record = request[RECORD]
        with self._requests.admit(counted=not record.inside) as place:
            return await self._answer(request, record, place)

    async def _answer(self, request: web.Request, record: Record, place: Place) -> web.StreamResponse:
        chat = await chat_request.read(
            request,
            place,
            self._settings.models,
            body_seconds=self._settings.body_seconds,
            longest_wait=self._settings.longest_wait_seconds,
        )
        record.model = chat.model
        async with AsyncExitStack() as stack:
            if chat.stream:
                return await self._stream(request, stack, chat, record)
            opening = await self._dispatcher.open(stack, chat, record)
            record.version, record.tokens = opening.version, opening.tokens
            self._dispatcher.learn(chat.model, opening.tokens)
            headers = {contract.HEADER_MODEL_VERSION: opening.version}
            return web.Response(body=opening.first, content_type="application/json", headers=headers)

    async def _stream(
        self, request: web.Request, stack: AsyncExitStack, chat: ChatRequest, record: Record
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        if request.version >= HttpVersion11:
            response.enable_chunked_encoding()
        ends_at = record.started + (chat.patience.total or LONGEST_TOTAL_SECONDS)
        stream = self._streams.add(request, self._clock(), silence=chat.patience.silence, ends_at=ends_at)
        client = Client(request, response, stream)
        try:
            opening = await self._opened(stack, chat, record, client)
            if opening is not None:
                record.problem = await self._followed(stack, chat, record, opening, client)
        finally:
            self._streams.remove(stream)
        if record.problem is not None:
            self._metrics.broken.inc()
        await response.write_eof()
        return response

    async def _opened(self, stack: AsyncExitStack, chat: ChatRequest, record: Record, client: Client) -> Opening | None:
        """The answer's beginning, with the status line gone. None: the client has got an error as an event.

        Raises:
            ApiError: while the status line can still tell it.
        """
        opened = asyncio.ensure_future(self._dispatcher.open(stack, chat, record))
        try:
            if (await asyncio.wait([opened], timeout=self._settings.commit_seconds))[0]:
                opening = opened.result()
                client.response.headers[contract.HEADER_MODEL_VERSION] = opening.version
                await client.response.prepare(client.request)
                return opening
            record.committed = True
            await client.response.prepare(client.request)
            await client.response.write(FOR_THE_FIRST_TOKEN)
            return await with_comments(opened, client, FOR_THE_FIRST_TOKEN, self._settings.comment_seconds)
        except ApiError as error:
            if not record.committed:
                raise
            record.problem = error.message
            await client.response.write(error.event())
            return None
        finally:
            opened.cancel()
            await asyncio.gather(opened, return_exceptions=True)

    async def _followed(
        self, stack: AsyncExitStack, chat: ChatRequest, record: Record, opening: Opening, client: Client
    ) -> str | None:
        """Pass the whole answer on; returns why it broke off in the end, or None."""
        record.version, record.first_at = opening.version, self._clock()
        self._metrics.first_token.observe(record.first_at - record.started)
        memory = StreamMemory(opening.version, opening.cutter.ids)
        try:
            problem = await self._carry(stack, chat, record, opening, client, memory)
        finally:
            record.tokens = memory.tokens
            self._metrics.tokens.inc(memory.tokens)
        if problem is None:
            self._dispatcher.learn(chat.model, memory.tokens)
        return problem

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
            carried = _carried(chat, record, memory, self._clock())
            client.stream.follow(opening.response.content, carried.since, carried)
            if memory.answer_id is None:
                memory.name(opening.first)
            await client.response.write(opening.first)
            problem = await _relay(opening, client.request, client.response)
            if opening.cutter.finished:
                return None
            problem = problem or "the node ended the stream without [DONE]"
            last_word = opening.cutter.error or INTERRUPTED.event()
            leaves, hurried = client.stream.leaves or opening.cutter.handed_over, client.stream.hurried
            client.stream.follow(None, self._clock())
            if client.stream.stopping.is_set() or not self._settings.resume:
                await client.response.write(over().event() if client.stream.over else last_word)
                return problem
            if refusal := tried.refusal(memory):
                await client.response.write(last_word)
                return f"{problem}; not taken over: {refusal}"
            self._note(record, tried, None if leaves else problem, aside=not (opening.cutter.error or hurried))
            await stack.aclose()  # the old node stops decoding
            try:
                opening = await self._resumer.take_over(stack, chat, record, memory, tried, client)
            except ApiError as error:
                await client.response.write(opening.cutter.error or error.event())
                return f"{problem}; {error.message}"
            record.resumed += 1
            self._metrics.resumed.inc()

    def _note(self, record: Record, tried: Takeovers, problem: str | None, *, aside: bool) -> None:
        """A node that leaves has not failed (`problem` is None); it takes nothing more either."""
        node = record.node or ""
        if problem is not None:
            record.failed_nodes.append(f"{node}: {problem}")
            tried.failed.add(node)
        if aside:
            self._resumer.fleet.set_aside(node)


def _carried(chat: ChatRequest, record: Record, memory: StreamMemory, now: float) -> Carried:
    return Carried(record.node or "", chat.model, memory, now, memory.tokens, chat.work.most_tokens)


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
