"""What the node asks of an engine. Everything else about llama.cpp or vLLM stays behind this."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Generation:
    """One answer to decode. None leaves the engine's own default; `max_tokens` None: up to the context's end."""

    messages: tuple[Mapping[str, Any], ...]
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Piece:
    """A bit of the answer: whole characters, and the tokens decoded since the piece before.

    The last piece has `finish` set. Counts are totals so far.
    """

    text: str
    token_ids: tuple[int, ...]
    finish: FinishReason | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class EngineLoad:
    """How busy the engine says it is."""

    running: int
    waiting: int
    cache_used_fraction: float | None = None


class EngineError(Exception):
    """The engine refused a request (`status` 4xx) or failed (5xx)."""

    def __init__(self, message: str, *, status: int = 500, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code


class Engine(Protocol):
    """One engine with at most one model loaded."""

    name: str
    supports_json_schema: bool

    async def load(self, directory: Path) -> None:
        """Load the model version in `directory`; returns when it can answer. Raises EngineError with the reason."""

    def generate(self, request: Generation) -> AsyncGenerator[Piece, None]:
        """Decode one answer. Closing the generator stops the decoding. Raises EngineError."""

    def failure(self) -> str | None:
        """Why the engine cannot answer any more, or None."""

    async def busy(self) -> EngineLoad | None:
        """The engine's own figures, or None where it has none."""

    async def close(self) -> None:
        """Unload and free everything; harmless when nothing is loaded."""
