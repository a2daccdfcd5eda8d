"""What hosts reach beyond each other: the local AWS at the bridge's address, and instance metadata at its own.

The listening sockets are in the hosts' network namespace, the connections to the local AWS in this machine's.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import aiohttp
import structlog
from aiohttp import web

from localcloud.hosts.namespace import NamespaceSockets
from localcloud.hosts.network import METADATA
from localcloud.proxy import without_hop_by_hop

HTTP_PORT = 80
CHUNK_BYTES = 256 << 10
ANSWER_SECONDS = 30.0


class EndpointRelay:
    """Passes connections to `url` on, byte by byte: requests are signed with the host that they were sent to."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        self._target = parts.hostname, parts.port

    async def serve(self, sockets: NamespaceSockets, address: str, stack: AsyncExitStack) -> str:
        """Listen at `address`, at the port of the local AWS, until `stack` ends it. Returns the URL."""
        port = self._target[1]
        server = await asyncio.start_server(self._connected, sock=sockets.listening(address, port))
        stack.callback(server.close)
        return f"http://{address}:{port}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError as error:
            structlog.get_logger().warning("the local AWS takes no connection of a host", error=str(error))
            writer.close()
            return
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            writer.close()
            back.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # one of the two left
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


class MetadataRelay:
    """Answers by who asks: `instances` has the ids of instances by address and follows the hosts."""

    def __init__(self, http: aiohttp.ClientSession, endpoint_url: str, instances: Mapping[str, str]) -> None:
        self._http = http
        self._url = endpoint_url
        self._instances = instances

    async def serve(self, sockets: NamespaceSockets, stack: AsyncExitStack) -> None:
        """Listen until `stack` ends it."""
        server = web.Server(self.answer)
        stack.push_async_callback(server.shutdown, 1.0)
        listening = await asyncio.get_running_loop().create_server(server, sock=sockets.listening(METADATA, HTTP_PORT))
        stack.callback(listening.close)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        instance_id = self._instances.get(request.remote or "")
        if instance_id is None:
            return web.Response(status=404, text="not the address of an instance")
        url = f"{self._url}/_local/metadata/{instance_id}{request.raw_path}"
        headers = without_hop_by_hop(request.headers)
        headers.popall("Host", None)
        timeout = aiohttp.ClientTimeout(ANSWER_SECONDS)
        try:
            async with self._http.request(
                request.method, url, headers=headers, data=await request.read(), timeout=timeout, allow_redirects=False
            ) as found:
                kept = without_hop_by_hop(found.headers)
                kept.popall("Content-Length", None)
                return web.Response(status=found.status, body=await found.read(), headers=kept)
        except (aiohttp.ClientError, OSError) as error:
            return web.Response(status=503, text=f"the local AWS does not answer: {type(error).__name__}")
