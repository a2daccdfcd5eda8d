"""The node's HTTP application: chat completions, health, readiness, metrics."""

import secrets
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from inference_service import contract
from inference_service.artifacts import VersionRef
from inference_service.node import chat_wire
from inference_service.node.admission import Admission
from inference_service.node.chat import ChatEndpoint
from inference_service.node.engines.protocol import Engine
from inference_service.node.engines.stub import StubEngine
from inference_service.node.metrics import NodeMetrics
from inference_service.node.readiness import NodeStatus
from inference_service.node.settings import StubSettings
from inference_service.node.token import NodeTokens, gateways_alone

MOST_BODY_BYTES = 8 << 20
STATUS = web.AppKey("status", NodeStatus)
ENGINE = web.AppKey("engine", Engine)


def create_app(status: NodeStatus, engine: Engine, tokens: NodeTokens | None = None) -> web.Application:
    """The application over a node's status and engine; with `tokens` it answers gateways alone.

    Serve it with `handler_cancellation=True`: a client that leaves must end its handler, and with it the decoding.
    """
    metrics = NodeMetrics()

    async def ready(_: web.Request) -> web.Response:
        return web.json_response(status.report(), status=200 if status.ready else 503)

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"state": status.state})

    async def figures(_: web.Request) -> web.Response:
        busy = await engine.busy() if status.ready else None
        return web.Response(
            body=metrics.exposition(status, busy), headers={"Content-Type": "text/plain; version=0.0.4"}
        )

    app = web.Application(
        middlewares=[_in_openai_shape, *([gateways_alone(tokens)] if tokens else [])], client_max_size=MOST_BODY_BYTES
    )
    app[STATUS], app[ENGINE] = status, engine
    app.router.add_get(contract.PATH_READY, ready)
    app.router.add_get(contract.PATH_HEALTH, health)
    app.router.add_get(contract.PATH_METRICS, figures)
    app.router.add_post(contract.PATH_CHAT_COMPLETIONS, ChatEndpoint(status, engine, metrics).handle)
    app.on_response_prepare.append(_name_request)
    return app


def create_ready_stub_app(
    model: str,
    *,
    version: str = "stub-version",
    instance_id: str = "i-stub",
    slots: int = 4,
    queue: int = 4,
    token_seconds: float = 0.0,
) -> web.Application:
    """An application that is ready with the scripted engine, for tests of its callers; `app[STATUS]`, `app[ENGINE]`."""
    status = NodeStatus(model, StubEngine.name, Admission(slots, queue), instance_id=instance_id)
    status.state, status.loaded = contract.STATE_READY, VersionRef(version, "0" * 64)
    return create_app(status, StubEngine(StubSettings(token_seconds=token_seconds), can_load=Path.exists))


async def _name_request(request: web.Request, response: web.StreamResponse) -> None:
    given = request.headers.get(contract.HEADER_REQUEST_ID)
    response.headers[contract.HEADER_REQUEST_ID] = given or f"req-{secrets.token_hex(8)}"


@web.middleware
async def _in_openai_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    """aiohttp's own refusals (no such path, too large a body) as clients of OpenAI expect them."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        text = f"{request.method} {request.path}: {error.reason}"
        code = "unknown_url" if error.status == 404 else None
        body = chat_wire.error(text, status=error.status, code=code)
        return web.Response(body=body, status=error.status, content_type="application/json")
