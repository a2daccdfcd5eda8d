"""The tokens by which nodes know their gateways: one that is used, for a while beside the one before. Pure."""

import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass

ROTATE_SECONDS = 24 * 3600.0
SPREAD_SECONDS = 30.0  # a new token is used only then: every gateway has read it
OVERLAP_SECONDS = 3600.0  # after which the one before ends


class NodeTokensError(ValueError):
    """The document is none."""


@dataclass(frozen=True)
class NodeToken:
    """`created` is in seconds since 1970."""

    token: str
    created: int


def parse(text: str) -> tuple[NodeToken, ...]:
    """The tokens, newest first.

    Raises:
        NodeTokensError: without a word of the document.
    """
    try:
        found = [NodeToken(str(each["token"]), int(each["created"])) for each in json.loads(text)["tokens"]]
    except (ValueError, KeyError, TypeError) as error:
        raise NodeTokensError(f"the document of node tokens is none: {type(error).__name__}") from None
    return tuple(sorted(found, key=lambda each: -each.created))


def to_json(tokens: Sequence[NodeToken]) -> str:
    return json.dumps({"tokens": [asdict(each) for each in tokens]})


def maintained(tokens: Sequence[NodeToken], now: float) -> tuple[NodeToken, ...]:
    """The tokens as they should be now: a new one every day, the one before only as long as it is needed."""
    if not tokens or now - tokens[0].created >= ROTATE_SECONDS:
        return (NodeToken(secrets.token_urlsafe(32), int(now)), *tokens[:1])
    return tuple(tokens[:1] if now - tokens[0].created >= OVERLAP_SECONDS else tokens[:2])


def in_use(tokens: Sequence[NodeToken], now: float) -> NodeToken:
    """The one to send: a new one only when others can know it."""
    return tokens[1] if len(tokens) > 1 and now - tokens[0].created < SPREAD_SECONDS else tokens[0]


def accepts(tokens: Sequence[NodeToken], given: str) -> bool:
    """Whether one of the tokens is given; the time that it takes does not tell which."""
    return bool(sum(hmac.compare_digest(each.token.encode(), given.encode()) for each in tokens))
