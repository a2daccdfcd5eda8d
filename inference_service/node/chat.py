"""The chat completions endpoint of a node: admit, decode, stream; stop decoding as soon as the client has left."""

import json
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import structlog
from aiohttp import web

from inference_service import contract
from inference_service.node import chat_wire
from inference_service.node.admission import NodeBusyError
from inference_service.node.chat_request import ChatRequest, RequestError, parse
from inference_service.node.engines.protocol import Engine, EngineError, Piece
from inference_service.node.metrics import NodeMetrics
from inference_service.node.readiness import NodeStatus

RETRY_AFTER_SECONDS = "1"


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
        try:
            self._refuse_unless_ready()
            chat = parse(await _body(request), json_schema=self._engine.supports_json_schema)
            if chat.model != self._status.model:
                text = f"The model `{chat.model}` does not exist on this node, which serves `{self._status.model}`"
                raise RequestError(text, status=404, param="model", code="model_not_found")
            async with self._status.admission.slot():
                self._refuse_unless_ready()  # it may have drained while the request waited for its body or its turn
                return await self._answer(request, chat)
        except (RequestError, EngineError) as error:
            return _refusal(str(error), error.status, error.param, error.code)
        except NodeBusyError as error:
            return _refusal(str(error), 503, None, "node_busy")

    def _refuse_unless_ready(self) -> None:
        if not self._status.ready:
            text = f"this node is {self._status.state} and takes no new work"
            raise RequestError(text, status=503, code="node_not_ready")

    async def _answer(self, request: web.Request, chat: ChatRequest) -> web.StreamResponse:
        started, identity = self._clock(), f"chatcmpl-{secrets.token_hex(12)}"
        async with aclosing(self._engine.generate(chat.generation)) as pieces:
            if chat.stream:
                return await self._stream(
                    request, chat, pieces, chat_wire.ChunkWriter(identity, int(started), chat.model)
                )
            collected = [piece async for piece in self._counted(pieces)]
        body = chat_wire.completion(identity, int(started), chat.model, collected)
        return web.Response(body=body, content_type="application/json", headers=self._headers(request))

    async def _stream(
        self,
        request: web.Request,
        chat: ChatRequest,
        pieces: AsyncGenerator[Piece, None],
        writer: chat_wire.ChunkWriter,
    ) -> web.StreamResponse:
        """The status line waits for the first piece, so that a refusal of the engine keeps its own status."""
        counted = self._counted(pieces)
        last = await anext(counted)
        response = web.StreamResponse(headers=self._headers(request) | {"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(writer.chunk(last))
        try:
            async for last in counted:
                await response.write(writer.chunk(last))
        except EngineError as error:
            self._log.error("an answer broke off", error=str(error))
            await response.write(chat_wire.error_event(str(error), error.code))
        else:
            await response.write((writer.usage(last) if chat.include_usage else b"") + chat_wire.DONE)
        await response.write_eof()
        return response

    async def _counted(self, pieces: AsyncGenerator[Piece, None]) -> AsyncGenerator[Piece, None]:
        try:
            async for piece in pieces:
                self._metrics.tokens.inc(len(piece.token_ids))
                yield piece
        except EngineError as error:
            if error.status >= 500:  # below, the request is to blame
                self._status.count_answer(failed=True)
            raise
        self._status.count_answer(failed=False)

    def _headers(self, request: web.Request) -> dict[str, str]:
        version = self._status.loaded.version if self._status.loaded else ""
        return {contract.HEADER_MODEL_VERSION: version, "Cache-Control": "no-cache"}


async def _body(request: web.Request) -> object:
    try:
        return json.loads(await request.read())
    except ValueError as error:
        raise RequestError(f"the body is not JSON: {error}") from error


def _refusal(message: str, status: int, param: str | None, code: str | None) -> web.Response:
    headers = {"Retry-After": RETRY_AFTER_SECONDS} if status == 503 else {}
    body = chat_wire.error(message, status=status, param=param, code=code)
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)
