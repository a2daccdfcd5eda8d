"""The chat completions endpoint of a node: admit, decode, stream; stop decoding as soon as the client has left."""

import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import structlog
from aiohttp import web

from inference_service import contract, json_text
from inference_service.node import answer, chat_wire, prompt_length
from inference_service.node.admission import HandedOverError, NodeBusyError
from inference_service.node.chat_request import ChatRequest, RequestError, parse
from inference_service.node.engines.protocol import Engine, EngineError, Generation, Piece
from inference_service.node.metrics import NodeMetrics
from inference_service.node.readiness import NodeStatus

RETRY_AFTER_SECONDS = "1"
COMMENT_SECONDS = 10.0  # an answer that is held back keeps its connection alive this often

Pieces = AsyncGenerator[tuple[int, Piece], None]  # each with the number of its answer


@dataclass
class Sent:
    """What has gone out to the client."""

    response: web.StreamResponse | None = None


class ChatEndpoint:
    """Handles POST /v1/chat/completions with one engine."""

    def __init__(
        self, status: NodeStatus, engine: Engine, metrics: NodeMetrics, clock: Callable[[], float] = time.time
    ) -> None:
        self._status = status
        self._engine = engine
        self._metrics = metrics
        self._clock = clock
        self._log = structlog.get_logger()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        sent = Sent()
        try:
            self._refuse_unless_ready()
            chat = parse(await _body(request), supports=self._engine.supports)
            self._refuse_other_models(request, chat)
            await self._refuse_too_long(chat.generation)
            async with self._status.admission.slot():
                self._refuse_unless_ready()  # it may have drained while the request waited for its body or its turn
                self._refuse_other_models(request, chat)
                return await self._answer(request, chat, sent)
        except (RequestError, EngineError) as error:
            return _refusal(str(error), error.status, error.param, error.code)
        except NodeBusyError as error:
            return _refusal(str(error), 503, None, contract.CODE_NODE_BUSY)
        except HandedOverError:
            return await self._hand_over(sent)

    def _refuse_unless_ready(self) -> None:
        if not self._status.ready:
            text = f"this node is {self._status.state} and takes no new work"
            raise RequestError(text, status=503, code="node_not_ready")

    def _refuse_other_models(self, request: web.Request, chat: ChatRequest) -> None:
        if chat.model != self._status.model:
            text = f"The model `{chat.model}` does not exist on this node, which serves `{self._status.model}`"
            raise RequestError(text, status=404, param="model", code="model_not_found")
        asked, served = request.headers.get(contract.HEADER_MODEL_VERSION), self._version()
        if asked and asked != served:
            text = f"version {asked} of `{chat.model}` is asked for; this node serves {served}"
            raise RequestError(text, status=409, code=contract.CODE_OTHER_VERSION)

    async def _refuse_too_long(self, generation: Generation) -> None:
        """Before it queues. What is surely short enough is not counted: that would tokenize every prompt twice."""
        context = self._engine.context_tokens
        if prompt_length.surely_below(context, generation):
            return
        tokens = await self._engine.prompt_tokens(generation)
        if tokens >= context and not generation.resume_token_ids:
            limit = f"This model's maximum context length is {context} tokens."
            text = f"{limit} However, your messages resulted in {tokens} tokens."
            raise RequestError(text, param="messages", code="context_length_exceeded")

    async def _answer(self, request: web.Request, chat: ChatRequest, sent: Sent) -> web.StreamResponse:
        identity = chat.answer_id or f"chatcmpl-{secrets.token_hex(12)}"
        created = int(self._clock()) if chat.created is None else chat.created
        async with (
            self._status.admission.spare(chat.choices - 1) as spare,
            aclosing(answer.choices(self._engine, chat.generation, chat.choices, 1 + spare)) as pieces,
        ):
            if chat.stream:
                writer = chat_wire.ChunkWriter(identity, created, chat.model, role=chat.answer_id is None)
                return await self._stream(request, chat, pieces, writer, sent)
            complete = await answer.wholes(self._counted(pieces), chat.choices)
        body = chat_wire.completion(identity, created, chat.model, complete)
        return web.Response(body=body, content_type="application/json", headers=self._headers())

    async def _stream(
        self,
        request: web.Request,
        chat: ChatRequest,
        pieces: Pieces,
        writer: chat_wire.ChunkWriter,
        sent: Sent,
    ) -> web.StreamResponse:
        """The status line waits for the first piece, so that a refusal of the engine keeps its own status."""
        counted = self._counted(pieces)
        first = await anext(counted)
        response = web.StreamResponse(headers=self._headers() | {"Content-Type": "text/event-stream"})
        await response.prepare(request)
        sent.response = response
        try:
            if chat.choices > 1 or not self._engine.resumes(chat.generation):
                ended = await self._held_back(response, chat.choices, first, counted)
                await response.write(b"".join(writer.chunk(piece, number) for number, piece in enumerate(ended)))
            else:
                ended = [await _each(response, first, counted, writer)]
        except EngineError as error:
            self._log.error("an answer broke off", error=str(error))
            await response.write(chat_wire.error_event(str(error), error.code))
        else:
            await response.write((writer.usage(ended) if chat.include_usage else b"") + chat_wire.DONE)
        await response.write_eof()
        return response

    async def _held_back(
        self, response: web.StreamResponse, count: int, first: tuple[int, Piece], counted: Pieces
    ) -> list[Piece]:
        """Each answer in one piece: of what cannot be resumed the client gets nothing before it is complete.

        Until then another node can begin it anew. Comments keep the connection from being taken for dead.
        """
        await response.write(chat_wire.HELD_BACK)
        said_at = self._clock()

        async def rest() -> Pieces:
            nonlocal said_at
            yield first
            async for piece in counted:
                if self._clock() - said_at >= COMMENT_SECONDS:
                    await response.write(chat_wire.HELD_BACK)
                    said_at = self._clock()
                yield piece

        return await answer.wholes(rest(), count)

    async def _hand_over(self, sent: Sent) -> web.StreamResponse:
        """Another node is to answer, or to go on: this one has to leave."""
        if sent.response is None:
            return _refusal("this node leaves; another one answers", 503, None, contract.CODE_HANDED_OVER)
        await sent.response.write(chat_wire.HANDOVER)
        await sent.response.write_eof()
        return sent.response

    async def _counted(self, pieces: Pieces) -> Pieces:
        try:
            async for number, piece in pieces:
                self._metrics.tokens.inc(len(piece.token_ids))
                yield number, piece
        except EngineError as error:
            if error.status >= 500:  # below, the request is to blame
                self._status.count_answer(failed=True)
            raise
        self._status.count_answer(failed=False)

    def _version(self) -> str:
        return self._status.loaded.version if self._status.loaded else ""

    def _headers(self) -> dict[str, str]:
        return {contract.HEADER_MODEL_VERSION: self._version(), "Cache-Control": "no-cache"}


async def _each(
    response: web.StreamResponse, first: tuple[int, Piece], counted: Pieces, writer: chat_wire.ChunkWriter
) -> Piece:
    """Write the pieces of one answer as they come; returns the last one."""
    last = first[1]
    await response.write(writer.chunk(last))
    async for _, last in counted:
        await response.write(writer.chunk(last))
    return last


async def _body(request: web.Request) -> object:
    try:
        return json_text.read(await request.read())
    except json_text.JsonError as error:
        raise RequestError(f"the body is {error}") from error


def _refusal(message: str, status: int, param: str | None, code: str | None) -> web.Response:
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if status == 503 else {}
    body = chat_wire.error(message, status=status, param=param, code=code)
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)
