"""How long a prompt can be at most, without asking the engine. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from inference_service.node.engines.protocol import Generation

TEMPLATE_TOKENS = 256  # a template may begin with a system message of its own
MESSAGE_TOKENS = 16  # and puts its marks around each message


def surely_below(tokens: int, request: Generation) -> bool:
    """Whether the prompt is shorter than so many tokens. How templates write tools and their calls, nobody knows."""
    plain = not request.tools and not any("tool_calls" in message for message in request.messages)
    return plain and most_tokens(request.messages) < tokens


def most_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """An upper bound: no token of a text stands for less than a byte of it."""
    return TEMPLATE_TOKENS + sum(MESSAGE_TOKENS + _bytes(message.get("content")) for message in messages)


def _bytes(content: Any) -> int:
    if isinstance(content, str):
        return len(content.encode(errors="replace"))
    parts = content if isinstance(content, Sequence) else ()
    return sum(_bytes(part.get("text")) for part in parts if isinstance(part, Mapping))
