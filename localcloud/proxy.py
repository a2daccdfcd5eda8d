"""One listener of a load balancer: passes each request to a target and the answer back as it comes.

After the Application Load Balancer:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html and
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html (502, 503, 504).
"""

import asyncio
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import aiohttp
import structlog
from aiohttp import HttpVersion11, hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from localcloud.admin import Listener, Target

# https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1; Expect is answered here.
HOP_BY_HOP = ("Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Expect")
GIVEN_AS_IS = (hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE)  # no defaults of aiohttp's
CONNECT_SECONDS = 10.0  # the load balancer's
MOST_LINE_BYTES = 16 << 10
MOST_FIELD_BYTES = 64 << 10

Choose = Callable[[], Target | None]
SocketFactory = Callable[[Any], socket.socket]  # where targets are in a network of their own


class TargetBrokeOffError(ConnectionError):
    """The answer had begun; the client can only be shown that it is incomplete."""


def session(idle_seconds: float, socket_factory: SocketFactory | None = None) -> aiohttp.ClientSession:
    """The client for targets: nothing is stored, followed, unpacked or limited."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=15, socket_factory=socket_factory),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=idle_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=GIVEN_AS_IS,
        max_line_size=MOST_LINE_BYTES,
        max_field_size=MOST_FIELD_BYTES,
    )


class Forwarder:
    """Handles the requests of one listener."""

    def __init__(self, listener: Listener, http: aiohttp.ClientSession, choose: Choose) -> None:
        self._listener = listener
        self._http = http
        self._choose = choose

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; cancelled when its client leaves, which ends the request to the target as well.

        Raises:
            TargetBrokeOffError: the target failed after its answer had begun.
        """
        if not request.raw_path.startswith("/"):
            return refusal(400)
        if (target := self._choose()) is None:
            return refusal(503)
        try:
            answer = await self._send(request, target)
        except TimeoutError as error:
            return self._failed(504, target, error)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return self._failed(502, target, error)
        try:
            return await _pass_on(answer, request)
        finally:
            answer.close()

    async def _send(self, request: web.BaseRequest, target: Target) -> aiohttp.ClientResponse:
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        url = URL(f"http://{target.address}:{target.port}{request.raw_path}", encoded=True)
        headers = forwarded_headers(request.headers, request.remote or "", self._listener.port)
        body = request.content if request.body_exists else None
        return await self._http.request(request.method, url, headers=headers, data=body, allow_redirects=False)

    def _failed(self, status: int, target: Target, error: Exception) -> web.Response:
        reason = f"{type(error).__name__}: {error}"
        structlog.get_logger().info("target failed", status=status, target=target.instance_id, error=reason)
        return refusal(status)


def forwarded_headers(headers: CIMultiDictProxy[str], client: str, port: int) -> CIMultiDict[str]:
    """What a target is sent: the client's headers, and where the request came from."""
    kept = without_hop_by_hop(headers)
    kept["X-Forwarded-For"] = ", ".join([*kept.getall("X-Forwarded-For", []), client])
    kept["X-Forwarded-Port"] = str(port)
    kept["X-Forwarded-Proto"] = "http"
    return kept


def without_hop_by_hop(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """The headers that are meant for the other end."""
    kept = CIMultiDict(headers)
    named = [name.strip() for value in kept.getall(hdrs.CONNECTION, []) for name in value.split(",")]
    for name in (*HOP_BY_HOP, *named):
        kept.popall(name, None)
    return kept


def refusal(status: int) -> web.Response:
    """An answer of the load balancer itself, in the shape of the Application Load Balancer's."""
    title = f"{status} {HTTPStatus(status).phrase}"
    page = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>\r\n"
    return web.Response(status=status, text=page, content_type="text/html", headers={"Server": "awselb/2.0"})


async def _pass_on(answer: aiohttp.ClientResponse, request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(
        status=answer.status, reason=answer.reason, headers=without_hop_by_hop(answer.headers)
    )
    if request.version >= HttpVersion11 and hdrs.CONTENT_LENGTH not in response.headers:
        response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        await _relay(answer.content, request, response)
    except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
        if request.protocol.transport is None:
            raise ConnectionError("the client left") from error
        structlog.get_logger().info("target broke off", error=f"{type(error).__name__}: {error}")
        raise TargetBrokeOffError from error
    await response.write_eof()
    return response


async def _relay(content: aiohttp.StreamReader, request: web.BaseRequest, response: web.StreamResponse) -> None:
    """This loop runs for every token: HTTP chunks are written here rather than by aiohttp, until the client lags."""
    protocol, chunked = request.protocol, response.chunked
    while data := await content.readany():
        if not chunked or protocol.writing_paused or protocol.transport is None:
            await response.write(data)
        else:
            protocol.transport.write(b"%x\r\n%b\r\n" % (len(data), data))


class ClientConnection(web.RequestHandler):
    """A client's connection: what is not HTTP gets a plain 400, an answer that broke off is cut, not completed."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        if not isinstance(exc, TargetBrokeOffError):
            structlog.get_logger().info("no request", status=status, problem=f"{type(exc).__name__}: {message}"[:300])
        response = refusal(status)
        response.force_close()
        return response


def connections(forwarder: Forwarder, idle_seconds: float) -> tuple[web.Server, Callable[[], ClientConnection]]:
    """The factory for `loop.create_server`, and the server whose `shutdown` ends its connections."""
    server, loop = web.Server(forwarder.handle, handler_cancellation=True), asyncio.get_running_loop()

    def connection() -> ClientConnection:
        return ClientConnection(
            server,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None turns it off
            keepalive_timeout=idle_seconds,
            max_line_size=MOST_LINE_BYTES,
            max_field_size=MOST_FIELD_BYTES,
            auto_decompress=False,
        )

    return server, connection
