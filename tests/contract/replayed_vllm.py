"""A vLLM that answers as the real one did when it was recorded (tests/real_vllm), and knows nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from inference_service.node.engines.vllm import VllmEngine
from tests.real_vllm import serving, tiny_llama
from tests.real_vllm.exchanges import Exchange, Recording, read


class ReplayedVllm:
    """Answers each request of the case that is set as it was answered then; any other request is a failure.

    So a request that the node makes otherwise than it was recorded needs a new recording.
    """

    def __init__(self) -> None:
        self._left: list[Exchange] = []
        self.unknown: list[str] = []

    def play(self, case: str) -> Recording:
        recording = read(case)
        self._left = list(recording.exchanges)
        return recording

    @property
    def left(self) -> list[str]:
        """What of the case was not asked for."""
        return [exchange.path for exchange in self._left]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json() if await request.read() else None
        for exchange in self._left:
            if (exchange.method, exchange.path, exchange.asked) == (request.method, request.path, asked):
                self._left.remove(exchange)
                return await _replay(request, exchange)
        if request.path == "/detokenize":
            return web.json_response({"prompt": text_of(asked["tokens"])})
        self.unknown.append(f"{request.method} {request.path}: {asked}")
        return web.Response(status=599, text="never recorded")


async def _replay(request: web.Request, exchange: Exchange) -> web.StreamResponse:
    response = web.StreamResponse(status=exchange.status, headers={"Content-Type": exchange.content_type})
    response.enable_chunked_encoding()
    await response.prepare(request)
    for line in exchange.lines:
        await response.write(line.encode())
    if exchange.broken and request.transport is not None:
        request.transport.abort()
    return response


def text_of(tokens: list[int]) -> str:
    """As the recorded model's tokenizer has it: bytes, then words with the blank before them, then marks."""
    words = [*(bytes([byte]) for byte in range(256)), *(f" {word}".encode() for word in tiny_llama.WORDS)]
    return b"".join(words[token] for token in tokens if token < len(words)).decode(errors="replace")


@asynccontextmanager
async def engine_over(played: ReplayedVllm, folder: Path) -> AsyncIterator[VllmEngine]:
    """The node's own engine, connected to a replayed vLLM instead of a child process."""
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", played.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(folder / "socket")).start()
    engine = VllmEngine(serving.settings(Path("vllm")))
    engine._http = aiohttp.ClientSession("http://vllm", connector=aiohttp.UnixConnector(str(folder / "socket")))
    try:
        yield engine
    finally:
        await engine.close()
        await runner.cleanup()
