"""What a request is expected to cost a node, in tokens that it decodes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference_service import contract
from inference_service.gateway.prefixes import blocks_of

BYTES_PER_TOKEN = 4  # of English text, about; only comparisons depend on it
# Reading a prompt is done for many tokens at once: far cheaper for each than decoding. A round figure, not measured.
PROMPT_TOKEN_COST = 0.1
FIRST_USUAL_TOKENS = 256.0
LEARNING_RATE = 0.05


@dataclass(frozen=True)
class Work:
    """One request. `most_tokens` is the client's own limit on each of its answers."""

    prompt_bytes: int = 0
    blocks: tuple[int, ...] = ()
    most_tokens: int | None = None
    answers: int = 1

    def answer_tokens(self, usual: float) -> float:
        return self.answers * (usual if self.most_tokens is None else min(usual, self.most_tokens))

    def prompt_cost(self, known_bytes: int) -> float:
        """For reading what the node has not seen before."""
        return PROMPT_TOKEN_COST * max(0, self.prompt_bytes - known_bytes) / BYTES_PER_TOKEN


def expected(document: Mapping[str, Any]) -> Work:
    """The work of a chat completion; nothing is checked here, what makes no sense counts as nothing."""
    messages = document.get("messages")
    text = b"\n".join(_text(message) for message in messages) if isinstance(messages, list) else b""
    limits = [document.get(name) for name in ("max_completion_tokens", "max_tokens")]
    most = next((each for each in limits if isinstance(each, int) and each > 0), None)
    asked = document.get("n")
    answers = asked if isinstance(asked, int) and 1 <= asked <= contract.MOST_CHOICES else 1
    return Work(len(text), blocks_of(text), most, answers)


def _text(message: Any) -> bytes:
    if not isinstance(message, Mapping):
        return b""
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return f"{message.get('role')}:{content}".encode(errors="replace")


class UsualAnswers:
    """How long answers usually are, by model: a running average, in tokens."""

    def __init__(self) -> None:
        self._tokens: dict[str, float] = {}

    def of(self, model: str) -> float:
        return self._tokens.get(model, FIRST_USUAL_TOKENS)

    def learn(self, model: str, tokens: int) -> None:
        """An answer has ended."""
        self._tokens[model] = self.of(model) + LEARNING_RATE * (tokens - self.of(model))
