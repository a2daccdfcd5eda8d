"""A scripted engine for tests: it repeats the words of the last user message. Never a default."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any

from inference_service.node.engines.protocol import (
    Compiler,
    EngineError,
    EngineLoad,
    Feature,
    FinishReason,
    Generation,
    Piece,
    TokenLogprob,
)
from inference_service.node.settings import StubSettings

HANGING_WORD = "stub-hangs-here"  # decoding this word wedges the whole engine until it is loaded again
FAILING_WORD = "stub-fails-here"  # decoding this word raises, to test an engine that breaks in mid-answer


class StubEngine:
    """Deterministic answers at a settable pace; counts what it decodes, so that tests see an answer being cancelled.

    It goes on after tokens of its own script alone: a token lost, repeated or altered on the way is an error.
    """

    name = "stub"
    supports: frozenset[Feature] = frozenset(["logprobs", "tools"])

    def __init__(
        self, settings: StubSettings, can_load: Callable[[Path], bool] = Path.is_dir, context_tokens: int = 1 << 20
    ) -> None:
        self._settings = settings
        self.context_tokens = context_tokens
        self._can_load = can_load
        self.decoded_tokens = 0
        self.cancelled = 0
        self.running = 0
        self.broken: str | None = None
        self._moving = asyncio.Event()
        self._moving.set()

    async def compiler(self) -> Compiler | None:
        return None

    async def load(self, directory: Path, compiled: Path | None = None) -> None:
        await asyncio.sleep(self._settings.load_seconds)
        if not self._can_load(directory):
            raise EngineError(f"the stub finds no model directory at {directory}")
        self.broken = None
        self._moving.set()

    async def generate(self, request: Generation) -> AsyncGenerator[Piece, None]:
        words, received = script(request), len(request.resume_token_ids)
        most = len(words) if request.max_tokens is None else request.max_tokens
        prompt_tokens = await self.prompt_tokens(request)
        _check_received(words, request.resume_token_ids)
        self.running += 1
        try:
            for count, word in enumerate(words[received:most], start=received + 1):
                await asyncio.sleep(self._settings.token_seconds)
                if word.strip() == HANGING_WORD:
                    self._moving = asyncio.Event()
                await self._moving.wait()
                if word.strip() == FAILING_WORD:
                    raise EngineError("the stub's script ends in a failure")
                self.decoded_tokens += 1
                likely = () if request.top_logprobs is None else (_likely(word, request.top_logprobs),)
                text = "" if request.tools else word
                yield Piece(text, (token_id(word),), None, prompt_tokens, count, likely)
            finish: FinishReason = "length" if most < len(words) else "stop"
            calls = (_call(request, words),) if request.tools and finish == "stop" else ()
            finish = "tool_calls" if calls else finish
            yield Piece("", (), finish, prompt_tokens, min(most, len(words)), tool_calls=calls)
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        finally:
            self.running -= 1

    def resumes(self, request: Generation) -> bool:
        return request.json_schema is None and not request.tools

    async def prompt_tokens(self, request: Generation) -> int:
        return sum(len(_text(message).split()) for message in request.messages)

    async def received_text(self, request: Generation) -> str:
        return "".join(script(request)[: len(request.resume_token_ids)])

    def failure(self) -> str | None:
        return self.broken

    async def busy(self) -> EngineLoad | None:
        return EngineLoad(running=self.running, waiting=0)

    async def close(self) -> None:
        self.broken = None


def _check_received(words: list[str], received: tuple[int, ...]) -> None:
    expected = tuple(token_id(word) for word in words[: len(received)])
    if received != expected:
        raise EngineError(f"the stub never wrote {received}, its script begins {expected}", status=400)


def script(request: Generation) -> list[str]:
    """The words of the last user message, each with the blank before it."""
    users = [message for message in request.messages if message.get("role") == "user"]
    words = (_text(users[-1]) if users else "").split() or ["nothing"]
    return [word if place == 0 else f" {word}" for place, word in enumerate(words)]


def token_id(word: str) -> int:
    """A made-up id that depends on the word alone."""
    return sum(ord(letter) * (place + 1) for place, letter in enumerate(word)) % 50_000


def _call(request: Generation, words: list[str]) -> Mapping[str, Any]:
    """A call of the first tool with the words as its only argument."""
    function = {
        "name": request.tools["tools"][0]["function"]["name"],
        "arguments": json.dumps({"text": "".join(words)}),
    }
    return {"id": "call_stub", "type": "function", "function": function}


def _likely(word: str, top: int) -> TokenLogprob:
    return TokenLogprob(word, 0.0, ((word, 0.0),) if top else ())


def _text(message: Any) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
