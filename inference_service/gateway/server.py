"""The listening side: limits against clients that send badly or slowly, and the orderly end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from inference_service import contract
from inference_service.gateway.errors import ApiError
from inference_service.gateway.request_record import request_id
from inference_service.gateway.settings import GatewaySettings

MOST_HEADERS = 100
MOST_HEADER_BYTES = 8190
BACKLOG = 1024
LAST_SECONDS = 2.0  # for broken-off streams to hand out their error event


class GatewayConnection(web.RequestHandler):
    """One client connection. What aiohttp refuses before there is a request is refused in OpenAI's shape too."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        # The message would quote the line that is no header: it may hold a key.
        structlog.get_logger().info("no request", status=status, problem=type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun; it cannot become an error")
        error = ApiError(status, "The gateway cannot read this as an HTTP request.", code="bad_http")
        headers = {contract.HEADER_REQUEST_ID: request_id(None)}
        response = web.Response(body=error.body(), status=status, content_type="application/json", headers=headers)
        response.force_close()
        return response


@asynccontextmanager
async def listening(app: web.Application, settings: GatewaySettings) -> AsyncIterator[asyncio.Server]:
    """Serve `app`; yields the listening server: close it to accept nothing new. Leaving closes what is still open.

    A connection that sends nothing, or half a header, ends after `idle_connection_seconds`; a handler whose client
    leaves is cancelled.

    Raises:
        OSError: the address cannot be bound.
    """
    loop = asyncio.get_running_loop()
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=LAST_SECONDS)
    await runner.setup()
    manager = runner.server
    assert manager is not None  # setup() has just made it

    def connection() -> GatewayConnection:
        return GatewayConnection(
            manager,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None turns it off, as in AppRunner
            keepalive_timeout=settings.idle_connection_seconds,
            max_line_size=MOST_HEADER_BYTES,
            max_field_size=MOST_HEADER_BYTES,
            max_headers=MOST_HEADERS,
        )

    try:
        server = await loop.create_server(connection, settings.bind_address, settings.port, backlog=BACKLOG)
        try:
            yield server
        finally:
            server.close()
    finally:
        await runner.cleanup()
