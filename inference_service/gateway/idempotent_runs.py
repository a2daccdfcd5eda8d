"""Answers being made under an Idempotency-Key, and those just made. One answer is a task of its own: it outlives the
connection that began it, and later ones with the same key read along.

The task asks this gateway itself, over a socket that only this process can reach, so that all that the gateway does for
a request is done for these, too. The end of an answer ([DONE], or the whole of it) goes out only once it is kept: no
two clients ever get two answers that are both complete.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import structlog
from aiohttp import web

from inference_service import contract
from inference_service.gateway.errors import ApiError
from inference_service.gateway.idempotency_lease import Leases
from inference_service.gateway.idempotency_store import IdempotencyStore
from inference_service.gateway.idempotent_run import Run
from inference_service.gateway.kept_answers import KeptAnswers
from inference_service.gateway.open_requests import OpenRequests, Place
from inference_service.gateway.settings import GatewaySettings

KEPT_HEADERS = ("Content-Type", contract.HEADER_MODEL_VERSION)
REFUSAL_HEADERS = (*KEPT_HEADERS, "Retry-After", contract.HEADER_EXPECTED_READY)
MOST_BYTES = 256 << 20  # of all answers being made
BROKEN = ApiError(502, "The answer broke off; ask again with the same key.", code="stream_interrupted")


@dataclass
class Asking:
    """What the gateway is to be asked inside, and the place that this takes."""

    body: bytes
    headers: Mapping[str, str]
    place: Place

    def let_body_go(self) -> None:
        self.body = b""
        self.place.let_body_go()


class Runs:
    """The answers of this process. `inside` is the application without guards."""

    def __init__(
        self,
        inside: web.Application,
        store: IdempotencyStore | None,
        opened: OpenRequests,
        settings: GatewaySettings,
        clock: Callable[[], float],
    ) -> None:
        self._inside, self._opened, self._settings = inside, opened, settings
        self._leases = Leases(store, settings.lease_seconds, clock)
        self._running: dict[str, Run] = {}
        self._done = KeptAnswers(clock)
        self._stack: contextlib.AsyncExitStack | None = None
        self._http: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()

    @property
    def unfinished(self) -> int:
        """Answers that are not kept yet, or whose lease is not given back."""
        return len(self._running)

    def find(self, identity: str) -> Run | None:
        """The answer under this key, made or being made; one that came to nothing is no answer."""
        run = self._running.get(identity) or self._done.get(identity)
        return run if run and (run.complete or not run.ended) else None

    def begin(self, identity: str, fingerprint: str, body: bytes, headers: Mapping[str, str], wait: float) -> Run:
        """Have an answer made, or fetched. Raises ApiError: too much is kept, or open."""
        if sum(len(run.body) for run in self._running.values()) > MOST_BYTES:
            raise ApiError(503, "Too many answers are kept for Idempotency-Keys.", code="nodes_busy", retry_after=1)
        place = self._opened.enter()
        try:
            place.hold(len(body))
        except ApiError:
            place.leave()
            raise
        run = self._running[identity] = Run(identity, fingerprint)
        run.task = asyncio.create_task(self._make(run, Asking(body, headers, place), wait))
        return run

    async def close(self, _: web.Application) -> None:
        """Give up what is being made; what has ended may yet give its lease back."""
        for run in self._running.values():
            if run.task and not run.ended:
                run.task.cancel()
        await asyncio.gather(*(run.task for run in self._running.values() if run.task), return_exceptions=True)
        if self._stack:
            await self._stack.aclose()
        self._leases.close()

    def join(self, run: Run) -> None:
        """One client more: whoever left before it decides nothing."""
        run.clients += 1
        if run.giving_up:
            run.giving_up.cancel()
            run.giving_up = None

    def leave(self, run: Run) -> None:
        """One client less; without any an answer goes on for a while, then it is given up."""
        run.clients -= 1
        if run.clients == 0 and not run.ended and run.task:
            loop = asyncio.get_running_loop()
            run.giving_up = loop.call_later(self._settings.linger_seconds, self._give_up, run)

    def _give_up(self, run: Run) -> None:
        if run.clients == 0 and not run.ended and run.task:
            run.task.cancel()

    async def _make(self, run: Run, asking: Asking, wait: float) -> None:
        renewing: asyncio.Task[None] | None = None
        try:
            if await self._leases.claim(run, wait):
                if run.owner:
                    making = asyncio.current_task()
                    assert making is not None
                    renewing = asyncio.create_task(self._leases.renew(run, making))
                await self._ask(run, asking)
                async with run.writing:
                    if renewing:
                        renewing.cancel()
                    await self._finish(run)
        except ApiError as error:
            run.fail(error)
        except (aiohttp.ClientError, OSError) as error:
            structlog.get_logger().warning("an answer under an Idempotency-Key broke", error=type(error).__name__)
            run.fail(BROKEN)
        except asyncio.CancelledError:
            run.fail(BROKEN)
        finally:
            asking.place.leave()
            if renewing:
                renewing.cancel()
            if not run.ended:
                run.fail(BROKEN)
            if not run.complete and run.owner:
                await self._leases.release(run)
            self._forget(run)

    async def _ask(self, run: Run, asking: Asking) -> None:
        http = await self._open()
        url = f"http://gateway{contract.PATH_CHAT_COMPLETIONS}"
        async with http.post(url, data=asking.body, headers=asking.headers) as answer:
            asking.let_body_go()
            run.status = answer.status
            names = KEPT_HEADERS if answer.status == 200 else REFUSAL_HEADERS
            run.headers = {name: answer.headers[name] for name in names if name in answer.headers}
            run.tell()
            while data := await answer.content.readany():
                run.take(data)

    async def _finish(self, run: Run) -> None:
        keeps, unanswered = run.whole and bool(run.owner), run.etag is None
        if keeps and not unanswered:
            await self._leases.keep(run)
        run.end(complete=run.whole)
        if keeps and unanswered:  # S3 said nothing to the claim: no client waits for it again
            with contextlib.suppress(ApiError):
                await self._leases.keep(run)

    def _forget(self, run: Run) -> None:
        if self._running.get(run.identity) is run:
            del self._running[run.identity]
        if run.complete:
            self._done.add(run)

    async def _open(self) -> aiohttp.ClientSession:
        """The socket inside, opened when it is first wanted: in a folder that no other user can enter."""
        async with self._opening:
            if self._http is None:
                stack = contextlib.AsyncExitStack()
                folder = Path(tempfile.mkdtemp(prefix="warmfleet-gateway-"))
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
                runner = web.AppRunner(self._inside, handler_cancellation=True, access_log=None, shutdown_timeout=1)
                await runner.setup()
                stack.push_async_callback(runner.cleanup)
                await web.UnixSite(runner, str(folder / "inside")).start()
                connector = aiohttp.UnixConnector(str(folder / "inside"), limit=0)
                timeout = aiohttp.ClientTimeout(total=None)
                session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
                self._stack, self._http = stack, await stack.enter_async_context(session)
            return self._http
