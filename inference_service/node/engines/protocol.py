"""What the node asks of an engine. Everything else about llama.cpp or vLLM stays behind this."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

FinishReason = Literal["stop", "length", "tool_calls"]
Feature = Literal["json_schema", "logprobs", "tools"]


@dataclass(frozen=True)
class Generation:
    """One answer to decode. None leaves the engine's own default; `max_tokens` None: up to the context's end.

    `resume_token_ids`: the answer's tokens so far, decoded elsewhere. All limits are those of the whole answer. Engines
    know nothing of `stop`: the node itself looks for it (node/stops.py), the same way on both sides of a seam.
    `top_logprobs`: how many tokens are named beside each one with its logarithmic probability; None: no probabilities.
    `tools`: the request's members about tools, as the client wrote them; empty where it offers none.
    """

    messages: tuple[Mapping[str, Any], ...]
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    resume_token_ids: tuple[int, ...] = ()
    top_logprobs: int | None = None
    tools: Mapping[str, Any] = field(default_factory=dict)

    @property
    def remaining(self) -> int | None:
        """How many tokens may still be decoded."""
        return None if self.max_tokens is None else max(0, self.max_tokens - len(self.resume_token_ids))

    def seed_from_here(self) -> int | None:
        """Another seed for each place to go on from: the same one again would repeat the draws of the beginning."""
        return None if self.seed is None else (self.seed + len(self.resume_token_ids)) % 2**32


@dataclass(frozen=True)
class TokenLogprob:
    """How likely a token was: the natural logarithm, and the same of the likeliest ones at its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Piece:
    """A bit of the answer: whole characters, and the tokens decoded since the piece before.

    The last piece has `finish` set, and holds all tool calls. Counts are totals so far, of the whole answer.
    """

    text: str
    token_ids: tuple[int, ...]
    finish: FinishReason | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()
    tool_calls: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class EngineLoad:
    """How busy the engine says it is."""

    running: int
    waiting: int
    cache_used_fraction: float | None = None


@dataclass(frozen=True)
class Compiler:
    """What compiled code of this engine depends on, beside the model and the processor."""

    engine: str
    gpu: str
    flags: tuple[str, ...]


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
    supports: frozenset[Feature]
    context_tokens: int

    async def compiler(self) -> Compiler | None:
        """None where nothing is compiled, or nobody can say by what."""

    async def load(self, directory: Path, compiled: Path | None = None) -> None:
        """Load the model version in `directory`; returns when it can answer. Raises EngineError with the reason.

        `compiled`: where compiled code is kept, and is found where a start before this one left it.
        """

    def generate(self, request: Generation) -> AsyncGenerator[Piece, None]:
        """Decode one answer, or the rest of it. Closing the generator stops the decoding. Raises EngineError."""

    def resumes(self, request: Generation) -> bool:
        """Whether an answer of this kind can go on from its tokens alone."""

    async def prompt_tokens(self, request: Generation) -> int:
        """How many tokens the prompt has. Raises EngineError."""

    async def received_text(self, request: Generation) -> str:
        """The text of `resume_token_ids`. Raises EngineError."""

    def failure(self) -> str | None:
        """Why the engine cannot answer any more, or None."""

    async def busy(self) -> EngineLoad | None:
        """The engine's own figures, or None where it has none."""

    async def close(self) -> None:
        """Unload and free everything; harmless when nothing is loaded."""
