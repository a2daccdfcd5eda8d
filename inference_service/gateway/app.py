"""The gateway's HTTP application: OpenAI's endpoints, and our own for operators and load balancers."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from inference_service import contract
from inference_service.gateway.chat import ChatEndpoint
from inference_service.gateway.errors import ApiError, unknown_model, unknown_path
from inference_service.gateway.fleet import Fleet
from inference_service.gateway.http_edge import expected
from inference_service.gateway.metrics import GatewayMetrics
from inference_service.gateway.request_record import CLIENT_LEFT, RECORD, Record, name_response, request_id
from inference_service.gateway.settings import GatewaySettings

OPERATIONS = (contract.PATH_HEALTH, contract.PATH_READY, contract.PATH_METRICS, contract.PATH_FLEET)


def create_app(
    settings: GatewaySettings,
    fleet: Fleet,
    chat: ChatEndpoint,
    metrics: GatewayMetrics,
    clock: Callable[[], float],
    guards: Sequence[Middleware] = (),
) -> web.Application:
    """The application over a fleet; `guards` see each recorded request first.

    Serve it with `handler_cancellation=True`: see server.listen.
    """
    app = web.Application(middlewares=[_recorded(metrics, clock), *guards], client_max_size=settings.most_body_bytes)
    app.on_response_prepare.append(name_response)
    app.router.add_post(contract.PATH_CHAT_COMPLETIONS, chat.handle, expect_handler=expected)
    _add_models(app, settings, fleet, created=int(time.time()))
    _add_operations(app, fleet, metrics, clock)
    return app


def _add_models(app: web.Application, settings: GatewaySettings, fleet: Fleet, *, created: int) -> None:
    def describe(model: str) -> dict[str, Any]:
        ready = [view for view in fleet.nodes.values() if view.found.model == model and view.routable]
        versions = sorted({view.version for view in ready if view.version})
        ours = {"versions": versions, "ready_nodes": len(ready)}
        return {"id": model, "object": "model", "created": created, "owned_by": "warmfleet", "warmfleet": ours}

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [describe(model) for model in settings.models]})

    async def model(request: web.Request) -> web.Response:
        name = request.match_info["model"]
        if name not in settings.models:
            raise unknown_model(name)
        return web.json_response(describe(name))

    app.router.add_get(contract.PATH_MODELS, models)
    app.router.add_get(contract.PATH_MODELS + "/{model:.+}", model)


def _add_operations(app: web.Application, fleet: Fleet, metrics: GatewayMetrics, clock: Callable[[], float]) -> None:
    async def health(_: web.Request) -> web.Response:
        """Healthy without a warm node too: else the load balancer would hide the 503 that says when to come back."""
        return web.json_response({"state": "draining" if fleet.closing else "serving"})

    async def ready(_: web.Request) -> web.Response:
        count = sum(view.routable for view in fleet.nodes.values())
        return web.json_response({"ready_nodes": count}, status=200 if count and not fleet.closing else 503)

    async def figures(_: web.Request) -> web.Response:
        kind = {"Content-Type": "text/plain; version=0.0.4"}
        return web.Response(body=metrics.exposition(fleet, clock()), headers=kind)

    async def nodes(_: web.Request) -> web.Response:
        return web.json_response(fleet.describe())

    app.router.add_get(contract.PATH_HEALTH, health)
    app.router.add_get(contract.PATH_READY, ready)
    app.router.add_get(contract.PATH_METRICS, figures)
    app.router.add_get(contract.PATH_FLEET, nodes)


def _recorded(metrics: GatewayMetrics, clock: Callable[[], float]) -> Any:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        """One record, one log line and one count for every request; every error in OpenAI's shape."""
        given = request.headers.get(contract.HEADER_REQUEST_ID)
        record = request[RECORD] = Record(request_id(given), clock())
        record.status = CLIENT_LEFT  # unless an answer comes about
        try:
            response = await _answered(request, handler, record)
            record.status = response.status
            return response
        finally:
            polled = request.path in OPERATIONS  # so often that they would drown what clients do
            if not polled and not record.silent:
                metrics.count(record.status)
                record.write(clock(), request.method, request.path)

    return middleware


async def _answered(request: web.Request, handler: Handler, record: Record) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        # Of what a client got wrong, its words may be a part: they are in the answer, and in no log.
        told = error.code if error.code == "unknown_parameter" else f"{error.code}: {error.param}"
        record.problem = error.message if error.status >= 500 else told
        return _response(error)
    except web.HTTPException as error:
        return _response(_refused_by_aiohttp(request, error))
    except ConnectionError:  # the client's: those of nodes never come this far
        raise
    except Exception:
        structlog.get_logger().exception("the gateway failed", request_id=record.request_id)
        return _response(ApiError(500, "The gateway failed on this request.", code="internal_error"))


def _refused_by_aiohttp(request: web.Request, error: web.HTTPException) -> ApiError:
    if error.status == 404:
        return unknown_path(request.method, request.path)
    if error.status == 405:
        allowed = error.headers.get("Allow", "")
        text = f"Not allowed to {request.method} on {request.path} (allowed: {allowed})"
        return ApiError(405, text, code="method_not_allowed", headers={"Allow": allowed})
    if error.status == 413:
        text = f"The request body is above the limit of {request.client_max_size} bytes."
        return ApiError(413, text, code="request_too_large")
    return ApiError(error.status, error.reason)


def _response(error: ApiError) -> web.Response:
    return web.Response(body=error.body(), status=error.status, content_type="application/json", headers=error.headers)
