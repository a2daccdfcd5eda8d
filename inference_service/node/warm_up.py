"""From a version's name to an engine that has answered: fetch, load, probe, each phase timed."""

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from inference_service import contract
from inference_service.artifacts import VersionRef
from inference_service.artifacts.compile_cache import CacheFacts
from inference_service.node.compile_cache import CacheUse, CompileCaches
from inference_service.node.download import Fetched, Progress, VersionFetcher
from inference_service.node.engines.protocol import Engine, EngineError
from inference_service.node.engines.watched import PROBE
from inference_service.node.readiness import NodeStatus

PROBE_SECONDS = 120.0

Done = TypeVar("Done")


@dataclass
class WarmUp:
    """Runs the phases and notes their seconds in the status."""

    status: NodeStatus
    engine: Engine
    fetcher: VersionFetcher
    load_timeout_seconds: float
    caches: CompileCaches | None = None
    monotonic: Callable[[], float] = time.monotonic
    progress: Progress = field(default_factory=Progress)
    _cache: CacheUse = field(default_factory=CacheUse)

    async def fetch(self, reference: VersionRef, keep: frozenset[str]) -> Fetched:
        """Download and verify the version, and the engine's compiled code for it, if there is any."""
        log = structlog.get_logger().bind(model=self.status.model, version=reference.version)
        log.info("fetching")
        self.progress = Progress()
        fetched = await self._in_thread(lambda: self.fetcher.fetch(reference, self.progress, keep))
        self.status.warm_up_seconds[contract.PHASE_DOWNLOAD] = fetched.download_seconds
        self.status.warm_up_seconds[contract.PHASE_VERIFY] = fetched.verify_seconds
        log.info(
            "fetched",
            bytes=fetched.downloaded_bytes,
            download_seconds=round(fetched.download_seconds, 3),
            verify_seconds=round(fetched.verify_seconds, 3),
        )
        self._use(await self._compiled_for(reference))
        return fetched

    async def _compiled_for(self, reference: VersionRef) -> CacheUse:
        compiler = await self.engine.compiler() if self.caches else None
        if self.caches is None or compiler is None:
            return CacheUse()
        version, machine = (reference.version, reference.manifest_sha256), platform.machine()
        facts = CacheFacts(self.status.model, *version, compiler.engine, compiler.gpu, machine, compiler.flags)
        caches = self.caches
        return await self._in_thread(lambda: caches.bring(facts, self.progress))

    def _use(self, cache: CacheUse) -> None:
        self._cache = cache
        self.status.compile_cache = cache.outcome
        self.status.warm_up_seconds[contract.PHASE_CACHE] = cache.seconds

    async def _in_thread(self, work: Callable[[], Done]) -> Done:
        """Cancelled, it returns only when the thread has ended."""
        thread = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(thread)
        except asyncio.CancelledError:
            self.progress.cancelled.set()
            await asyncio.wait({thread})
            thread.exception()  # seen: it says that it was cancelled
            raise

    async def load(self, fetched: Fetched) -> None:
        """Load the engine and let it answer one token; on failure nothing stays loaded.

        An engine that fails with compiled code that it found is tried once more without.

        Raises:
            EngineError: with the engine's reason.
        """
        found = await asyncio.to_thread(self._cache.filled)
        try:
            await self._try_to_load(fetched)
        except EngineError as error:
            if not found or self.caches is None:
                raise
            self._use(await asyncio.to_thread(self.caches.spoil, self._cache, str(error)))
            await self._try_to_load(fetched)
        if self.caches:
            self.caches.offer(self._cache)

    async def _try_to_load(self, fetched: Fetched) -> None:
        try:
            self.status.state = contract.STATE_LOADING
            await self._timed(contract.PHASE_LOAD, self._load(fetched))
            self.status.state = contract.STATE_WARMING
            await self._timed(contract.PHASE_PROBE, self._probe())
        except BaseException:
            await self.engine.close()
            raise

    async def _timed(self, phase: str, work: Awaitable[None]) -> None:
        started = self.monotonic()
        await work
        self.status.warm_up_seconds[phase] = self.monotonic() - started

    async def _load(self, fetched: Fetched) -> None:
        try:
            async with asyncio.timeout(self.load_timeout_seconds):
                await self.engine.load(fetched.directory, self._cache.directory)
        except TimeoutError as error:
            raise EngineError(
                f"{self.engine.name} has not loaded {fetched.reference.version} within "
                f"{self.load_timeout_seconds:.0f} s; raise {contract.VAR_LOAD_TIMEOUT_SECONDS}, or see its log"
            ) from error

    async def _probe(self) -> None:
        tokens = 0
        try:
            async with asyncio.timeout(PROBE_SECONDS), aclosing(self.engine.generate(PROBE)) as pieces:
                async for piece in pieces:
                    tokens += len(piece.token_ids)
        except TimeoutError as error:
            raise EngineError(f"{self.engine.name} gave no token within {PROBE_SECONDS:.0f} s of its probe") from error
        if tokens == 0:
            raise EngineError(f"{self.engine.name} answered its probe with no token at all")
