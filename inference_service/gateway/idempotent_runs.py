"""Answers being made under an Idempotency-Key, and those just made. One answer is a task of its own: it outlives the
connection that began it, and later ones with the same key read along.

The task asks this gateway itself, over a socket that only this process can reach, so that all that the gateway does for
a request is done for these, too. The end of an answer ([DONE], or the whole of it) goes out only once it is kept: no
two clients ever get two answers that are both complete.
"""

import asyncio
import contextlib
import secrets
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import structlog
from aiohttp import web

from inference_service import contract
from inference_service.gateway.errors import ApiError
from inference_service.gateway.idempotency_store import DONE, FREE, RUNNING, IdempotencyStore, Kept, StoreError
from inference_service.gateway.settings import GatewaySettings

END, LAST = b"\n\n", b"data: [DONE]\n\n"
STREAM = "text/event-stream"
KEPT_HEADERS = ("Content-Type", contract.HEADER_MODEL_VERSION)
REFUSAL_HEADERS = (*KEPT_HEADERS, "Retry-After", contract.HEADER_EXPECTED_READY)
MOST_ANSWER_BYTES = 32 << 20
MOST_BYTES = 256 << 20  # of all answers being made
MOST_DONE_BYTES = 16 << 20  # of those made, which S3 has as well
LOOKS = 12  # at another gateway's lease, before it counts as lost
RENEWALS = 3
BROKEN = ApiError(502, "The answer broke off; ask again with the same key.", code="stream_interrupted")


class Run:
    """One answer. `visible` of `body` may go out; `status` is None before it has begun."""

    def __init__(self, identity: str, fingerprint: str) -> None:
        self.identity, self.fingerprint = identity, fingerprint
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.body = bytearray()
        self.visible = 0
        self.ended = False
        self.complete = False
        self.replayed = False
        self.error: ApiError | None = None
        self.clients = 0
        self.etag: str | None = None
        self.task: asyncio.Task[None] | None = None
        self.writing = asyncio.Lock()  # of what is kept: each write names the one before
        self._changed = asyncio.Event()

    @property
    def streamed(self) -> bool:
        return self.headers.get("Content-Type", "").startswith(STREAM)

    def tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def change(self) -> None:
        await self._changed.wait()

    def take(self, data: bytes) -> None:
        """More of the answer; of a stream all but its [DONE] may go out, of another answer nothing yet."""
        self.body += data
        if len(self.body) > MOST_ANSWER_BYTES:
            raise ApiError(502, f"An answer of more than {MOST_ANSWER_BYTES} bytes.", code="bad_node_answer")
        if self.streamed:
            end = self.body.rfind(END, self.visible) + len(END)
            if end > self.visible:
                self.visible = end - len(LAST) if self.body.endswith(LAST, 0, end) else end
            self.tell()

    @property
    def whole(self) -> bool:
        return self.status == 200 and (self.body.endswith(LAST) or not self.streamed)

    def end(self, *, complete: bool) -> None:
        self.ended, self.complete, self.visible = True, complete, len(self.body)
        self.tell()

    def fail(self, error: ApiError) -> None:
        """Nothing more comes: a client that has a part gets an event that says so."""
        del self.body[self.visible :]
        if self.status is None or not self.streamed:
            self.error = error
        else:
            self.body += error.event()
        self.end(complete=False)


class Runs:
    """The answers of this process. `inside` is the application without guards."""

    def __init__(
        self,
        inside: web.Application,
        store: IdempotencyStore | None,
        settings: GatewaySettings,
        clock: Callable[[], float],
    ) -> None:
        self._inside, self._store, self._settings, self._clock = inside, store, settings, clock
        self._owner = secrets.token_hex(8)
        self._running: dict[str, Run] = {}
        self._done: OrderedDict[str, Run] = OrderedDict()
        self._stack: contextlib.AsyncExitStack | None = None
        self._http: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()

    def find(self, identity: str) -> Run | None:
        """The answer under this key, made or being made; one that came to nothing is no answer."""
        run = self._running.get(identity) or self._done.get(identity)
        return run if run and (run.complete or not run.ended) else None

    def begin(self, identity: str, fingerprint: str, body: bytes, headers: Mapping[str, str], wait: float) -> Run:
        """Have an answer made, or fetched. Raises ApiError: too much is kept."""
        if sum(len(run.body) for run in self._running.values()) > MOST_BYTES:
            raise ApiError(503, "Too many answers are kept for Idempotency-Keys.", code="nodes_busy", retry_after=1)
        run = self._running[identity] = Run(identity, fingerprint)
        run.task = asyncio.create_task(self._make(run, body, headers, wait))
        return run

    async def close(self, _: web.Application) -> None:
        """Give up what is being made; what has ended may yet give its lease back."""
        for run in self._running.values():
            if run.task and not run.ended:
                run.task.cancel()
        await asyncio.gather(*(run.task for run in self._running.values() if run.task), return_exceptions=True)
        if self._stack:
            await self._stack.aclose()

    async def leave(self, run: Run) -> None:
        """One client less; without any an answer goes on for a while, then it is given up."""
        run.clients -= 1
        if run.clients == 0 and not run.ended and run.task:
            asyncio.get_running_loop().call_later(self._settings.linger_seconds, self._give_up, run)

    def _give_up(self, run: Run) -> None:
        if run.clients == 0 and not run.ended and run.task:
            run.task.cancel()

    async def _make(self, run: Run, body: bytes, headers: Mapping[str, str], wait: float) -> None:
        renewing: asyncio.Task[None] | None = None
        try:
            if await self._claim(run, wait):
                if run.etag:
                    making = asyncio.current_task()
                    assert making is not None
                    renewing = asyncio.create_task(self._renew(run, making))
                await self._ask(run, body, headers)
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
            if renewing:
                renewing.cancel()
            if not run.ended:
                run.fail(BROKEN)
            if not run.complete and run.etag:
                await self._release(run)
            self._forget(run)

    async def _claim(self, run: Run, wait: float) -> bool:
        """Whether this gateway is to make the answer; else the run has another one's.

        Raises:
            ApiError: another body, or another gateway is at it still.
        """
        if self._store is None:
            return True
        until, seen, seen_at = self._clock() + wait, None, self._clock()
        lease = Kept(RUNNING, run.fingerprint, self._owner)
        try:
            run.etag = await asyncio.to_thread(self._store.write, run.identity, lease, None)
            while run.etag is None:
                found = await asyncio.to_thread(self._store.read, run.identity)
                kept, etag = found or (None, None)
                if kept and kept.state != FREE:
                    _refuse_other_body(kept.fingerprint, run)
                    if kept.state == DONE:
                        run.status, run.headers, run.body = 200, kept.headers, bytearray(kept.body)
                        run.replayed = True
                        run.end(complete=True)
                        return False
                    if etag != seen:
                        seen, seen_at = etag, self._clock()
                    if self._clock() - seen_at < self._settings.lease_seconds:
                        if self._clock() >= until:
                            raise _in_flight()
                        await asyncio.sleep(self._settings.lease_seconds / LOOKS)
                        continue
                run.etag = await asyncio.to_thread(self._store.write, run.identity, lease, etag)
        except StoreError as error:
            structlog.get_logger().warning("an Idempotency-Key holds for this gateway alone", error=str(error))
        return True

    async def _renew(self, run: Run, making: "asyncio.Task[None]") -> None:
        """Keep the lease; who loses it to another gateway stops."""
        beat = 0
        while True:
            await asyncio.sleep(self._settings.lease_seconds / RENEWALS)
            beat += 1
            lease = Kept(RUNNING, run.fingerprint, self._owner, beat)
            async with run.writing:
                with contextlib.suppress(StoreError):  # the end of the answer tells whether the lease was lost
                    run.etag = await self._write_over(run, lease)
            if run.etag is None:
                making.cancel()
                return

    async def _write_over(self, run: Run, kept: Kept) -> str | None:
        """Write over what this gateway wrote last, also when S3 did so without saying it; None: it is another's now."""
        assert self._store is not None
        etag = await asyncio.to_thread(self._store.write, run.identity, kept, run.etag)
        if etag is None and (found := await asyncio.to_thread(self._store.read, run.identity)):
            there, over = found
            if (there.state, there.owner) == (RUNNING, self._owner):
                etag = await asyncio.to_thread(self._store.write, run.identity, kept, over)
        return etag

    async def _ask(self, run: Run, body: bytes, headers: Mapping[str, str]) -> None:
        http = await self._open()
        url = f"http://gateway{contract.PATH_CHAT_COMPLETIONS}"
        async with http.post(url, data=body, headers=headers) as answer:
            run.status = answer.status
            names = KEPT_HEADERS if answer.status == 200 else REFUSAL_HEADERS
            run.headers = {name: answer.headers[name] for name in names if name in answer.headers}
            run.tell()
            while data := await answer.content.readany():
                run.take(data)

    async def _finish(self, run: Run) -> None:
        if not (run.whole and run.etag and self._store):
            run.end(complete=run.whole)
            return
        kept = Kept(DONE, run.fingerprint, headers=run.headers, body=bytes(run.body))
        try:
            written = await self._write_over(run, kept)
        except StoreError as error:
            structlog.get_logger().warning("an answer could not be kept for its Idempotency-Key", error=str(error))
            run.end(complete=True)
            return
        run.etag = None
        if written is None:
            raise _in_flight()  # another gateway took this one for dead: its answer counts
        run.end(complete=True)

    async def _release(self, run: Run) -> None:
        """The next request with the key begins anew, and need not wait for the lease's end."""
        try:
            given_back = await self._write_over(run, Kept(FREE, run.fingerprint))
            reason = None if given_back else "another gateway has it"
        except StoreError as error:
            reason = str(error)
        if reason:
            structlog.get_logger().info("the lease of an answer was not given back", reason=reason)

    def _forget(self, run: Run) -> None:
        if self._running.get(run.identity) is run:
            del self._running[run.identity]
        if run.complete:
            self._done[run.identity] = run
            while sum(len(each.body) for each in self._done.values()) > MOST_DONE_BYTES:
                self._done.popitem(last=False)

    async def _open(self) -> aiohttp.ClientSession:
        """The socket inside, opened when it is first wanted: in a folder that no other user can enter."""
        async with self._opening:
            if self._http is None:
                stack = contextlib.AsyncExitStack()
                folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="warmfleet-gateway-"))
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


def _refuse_other_body(fingerprint: str, run: Run) -> None:
    if fingerprint != run.fingerprint:
        raise other_body()


def other_body() -> ApiError:
    text = "This Idempotency-Key was used with another request; take a new key for each new request."
    return ApiError(422, text, code="idempotency_key_reused", param=contract.HEADER_IDEMPOTENCY_KEY)


def _in_flight() -> ApiError:
    text = "Another gateway is still answering the request with this Idempotency-Key; ask again with it."
    return ApiError(409, text, code="idempotency_key_in_use", retry_after=2)
