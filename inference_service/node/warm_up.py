"""From a version's name to an engine that has answered: fetch, load, probe, each phase timed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog

from inference_service import contract
from inference_service.artifacts import VersionRef
from inference_service.node.download import Fetched, Progress, VersionFetcher
from inference_service.node.engines.protocol import Engine, EngineError
from inference_service.node.engines.watched import PROBE
from inference_service.node.readiness import NodeStatus

PROBE_SECONDS = 120.0


@dataclass
class WarmUp:
    """Runs the phases and notes their seconds in the status."""

    status: NodeStatus
    engine: Engine
    fetcher: VersionFetcher
    load_timeout_seconds: float
    monotonic: Callable[[], float] = time.monotonic
    progress: Progress = field(default_factory=Progress)

    async def fetch(self, reference: VersionRef, keep: frozenset[str]) -> Fetched:
        """Download and verify in a thread. Cancelled, it returns only when that thread has ended."""
        log = structlog.get_logger().bind(model=self.status.model, version=reference.version)
        log.info("fetching")
        self.progress = Progress()
        thread = asyncio.ensure_future(asyncio.to_thread(self.fetcher.fetch, reference, self.progress, keep))
        try:
            fetched = await asyncio.shield(thread)
        except asyncio.CancelledError:
            self.progress.cancelled.set()
            await asyncio.wait({thread})
            thread.exception()  # seen: it says that it was cancelled
            raise
        self.status.warm_up_seconds[contract.PHASE_DOWNLOAD] = fetched.download_seconds
        self.status.warm_up_seconds[contract.PHASE_VERIFY] = fetched.verify_seconds
        log.info(
            "fetched",
            bytes=fetched.downloaded_bytes,
            download_seconds=round(fetched.download_seconds, 3),
            verify_seconds=round(fetched.verify_seconds, 3),
        )
        return fetched

    async def load(self, fetched: Fetched) -> None:
        """Load the engine and let it answer one token; on failure nothing stays loaded.

        Raises:
            EngineError: with the engine's reason.
        """
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
                await self.engine.load(fetched.directory)
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
