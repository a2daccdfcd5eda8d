"""How long a prompt can be at most, without asking the engine. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

TEMPLATE_TOKENS = 256  # a template may begin with a system message of its own
MESSAGE_TOKENS = 16  # and puts its marks around each message


def most_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """An upper bound: no token of a text stands for less than a byte of it."""
    return TEMPLATE_TOKENS + sum(MESSAGE_TOKENS + _bytes(message.get("content")) for message in messages)


def _bytes(content: Any) -> int:
    if isinstance(content, str):
        return len(content.encode(errors="replace"))
    parts = content if isinstance(content, Sequence) else ()
    return sum(_bytes(part.get("text")) for part in parts if isinstance(part, Mapping))
