"""An engine with a pulse: when it last gave a token, and whether it still answers one that is asked for.

A wedged engine accepts requests and never answers; its own health endpoint can stay green
(https://github.com/vllm-project/vllm/issues/36960), so that only a token proves it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

from inference_service.node.engines.protocol import Compiler, Engine, EngineError, EngineLoad, Generation, Piece

PROBE = Generation(messages=({"role": "user", "content": "Hello"},), max_tokens=1, temperature=0.0)


class WatchedEngine:
    """Passes everything on to `engine`, and notes its tokens and its failures. `clock` counts seconds."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._token_at = clock()
        self._loads = 0
        self._wedged: str | None = None
        self.name = engine.name
        self.supports = engine.supports
        self.context_tokens = engine.context_tokens

    def silent_seconds(self) -> float:
        """Since the engine last gave a token, or was loaded."""
        return self._clock() - self._token_at

    async def compiler(self) -> Compiler | None:
        return await self._engine.compiler()

    async def load(self, directory: Path, compiled: Path | None = None) -> None:
        await self._engine.load(directory, compiled)
        self._loads += 1
        self._wedged, self._token_at = None, self._clock()

    async def generate(self, request: Generation) -> AsyncGenerator[Piece, None]:
        async with aclosing(self._engine.generate(request)) as pieces:
            async for piece in pieces:
                self._token_at = self._clock()
                yield piece

    async def probe(self, seconds: float) -> None:
        """Ask for one token. When neither it nor one of any other answer comes in time, the engine has failed."""
        load, asked = self._loads, self._clock()
        problem = None
        try:
            async with asyncio.timeout(seconds), aclosing(self.generate(PROBE)) as pieces:
                async for _ in pieces:
                    pass
        except TimeoutError:
            problem = f"{self.name} accepts requests but has given no token for {seconds:g} s"
        except EngineError as error:
            problem = f"{self.name} failed its probe: {error}"
        if problem and load == self._loads and self._token_at <= asked:
            self._wedged = problem

    def resumes(self, request: Generation) -> bool:
        return self._engine.resumes(request)

    async def prompt_tokens(self, request: Generation) -> int:
        return await self._engine.prompt_tokens(request)

    async def received_text(self, request: Generation) -> str:
        return await self._engine.received_text(request)

    def failure(self) -> str | None:
        return self._engine.failure() or self._wedged

    async def busy(self) -> EngineLoad | None:
        return await self._engine.busy()

    async def close(self) -> None:
        self._loads += 1
        self._wedged = None
        await self._engine.close()
