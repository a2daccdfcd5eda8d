"""Stands where a node expects `vllm`: starts the real one, passes everything on, and notes what passes.

Run as `recording_vllm.py serve MODEL … --uds SOCKET …`; `REAL_VLLM` names the real command, `RECORDING` the folder for
what is noted. Whoever records says with POST /recorded-case which case begins, sends vLLM a signal, or gives up on it.
"""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.real_vllm.exchanges import CASE_PATH, Exchange, Recording, steady, write

FOREVER = aiohttp.ClientTimeout(total=None)


class Recorder:
    """Notes exchanges, as they end, under the case that was named last."""

    def __init__(self, folder: Path, flags: list[str], real: Path, vllm: asyncio.subprocess.Process) -> None:
        self._folder = folder
        self._flags = flags
        self._real = real
        self._vllm = vllm
        self._given_up = asyncio.Event()
        self._case: str | None = None
        self._noted: list[Exchange] = []

    async def name_case(self, request: web.Request) -> web.Response:
        told = await request.json()
        if "signal" in told:
            self._vllm.send_signal(told["signal"])
        elif "give_up" in told:
            self._given_up.set()
        else:
            self._case, self._noted = told["case"], []
        return web.Response()

    def _note(self, exchange: Exchange) -> None:
        self._noted.append(exchange)
        if self._case:
            write(self._folder, self._case, Recording(os.environ["VLLM_VERSION"], self._flags, self._noted))

    async def _copy(self, answer: aiohttp.ClientResponse, response: web.StreamResponse, said: bytearray) -> bool:
        """Copy the body, to its end also where the node has left; returns whether vLLM broke it off, or fell silent."""

        async def copy() -> None:
            async for data in answer.content.iter_any():
                said.extend(data)
                with suppress(ConnectionError):
                    await response.write(data)

        copying, giving_up = asyncio.ensure_future(copy()), asyncio.ensure_future(self._given_up.wait())
        done, left = await asyncio.wait([copying, giving_up], return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return copying not in done or copying.exception() is not None

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._pass_on(request)
        except aiohttp.ClientConnectorError:
            return web.Response(status=503)  # it does not listen yet

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        said, broken, answer = bytearray(), True, None
        connector = aiohttp.UnixConnector(str(self._real))
        try:
            async with aiohttp.ClientSession("http://vllm", connector=connector, timeout=FOREVER) as session:
                headers = {"Content-Type": "application/json"} if body else {}
                async with session.request(request.method, request.path, data=body, headers=headers) as answer:
                    response = web.StreamResponse(status=answer.status)
                    response.content_type = answer.content_type
                    await response.prepare(request)
                    broken = await self._copy(answer, response, said)
        finally:
            if answer is not None:
                asked, lines = json.loads(body) if body else None, steady(request.path, bytes(said))
                about = (answer.status, answer.content_type, lines, broken)
                self._note(Exchange(request.method, request.path, asked, *about))
        if broken and request.transport is not None:
            request.transport.abort()
        return response


async def main(arguments: list[str]) -> int:
    at = arguments.index("--uds") + 1
    socket = arguments[at]
    real = Path(f"{socket}-real")
    command = [*arguments[:at], str(real), *arguments[at + 1 :]]
    vllm = await asyncio.create_subprocess_exec(os.environ["REAL_VLLM"], *command)
    flags = [*arguments[2 : at - 1], *arguments[at + 1 :]]
    recorder = Recorder(Path(os.environ["RECORDING"]), flags, real, vllm)
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post(CASE_PATH, recorder.name_case)
    app.router.add_route("*", "/{path:.*}", recorder.pass_on)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, socket).start()
    # The node's SIGTERM reaches the whole group: vLLM ends by itself, and this one with it, once all is passed on.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)
    ended = await vllm.wait()
    await runner.cleanup()
    return ended


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
