"""API keys as they are kept: one JSON document with a hash of each key. Pure; shared by gateways and the command line.

A key is 256 random bits, so that one round of SHA-256 is as good as a slow hash: there is nothing to guess.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

PREFIX = "wf"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
MOST_BYTES = 4096  # of an SSM standard parameter; about 25 keys
MOST_LIMIT = 1_000_000


class ApiKeysError(ValueError):
    """The document is none, or what is asked of it cannot be."""


@dataclass(frozen=True)
class ApiKey:
    """One secret of the key `name`; two while it is rotated. Times are in seconds since 1970.

    Attributes:
        id: the part of the secret that may be shown.
        per_minute: requests that may begin in a minute, by all secrets of the name; None: as many as there are.
        at_once: requests that may run at the same time, likewise.
    """

    id: str
    name: str
    sha256: str
    created: int
    expires: int | None = None
    per_minute: int | None = None
    at_once: int | None = None

    def lives(self, now: float) -> bool:
        return self.expires is None or now < self.expires


def created(
    keys: Sequence[ApiKey], name: str, now: float, *, per_minute: int | None = None, at_once: int | None = None
) -> tuple[str, tuple[ApiKey, ...]]:
    """A new key, in clear for this once, and the document with its hash.

    Raises:
        ApiKeysError: no name for a key, or one that is taken; a limit that is none; no room.
    """
    if not NAME.fullmatch(name):
        raise ApiKeysError(f"{name!r} is no name for a key: 1 to 32 of a-z, 0-9, - and _, beginning with a-z or 0-9")
    for limit in (per_minute, at_once):
        if limit is not None and not 1 <= limit <= MOST_LIMIT:
            raise ApiKeysError(f"a limit of {limit} is not between 1 and {MOST_LIMIT}; leave it out for no limit")
    living = pruned(keys, now)
    if any(key.name == name for key in living):
        raise ApiKeysError(f"there is a key {name} already; rotate it, or choose another name")
    return _with_new(living, ApiKey("", name, "", int(now), None, per_minute, at_once))


def rotated(keys: Sequence[ApiKey], name: str, now: float, overlap_seconds: float) -> tuple[str, tuple[ApiKey, ...]]:
    """A second secret for the key; the one before ends after the overlap.

    Raises:
        ApiKeysError: no such key, or it is in a rotation's overlap; no room.
    """
    living = pruned(keys, now)
    mine = [key for key in living if key.name == name]
    if not mine:
        raise ApiKeysError(f"there is no key {name}; `warmfleet keys list` shows those that there are")
    if len(mine) > 1:
        old = next(key.id for key in mine if key.expires is not None)
        raise ApiKeysError(f"{name} is being rotated: revoke {old}, its older secret, before the next rotation")
    ending = replace(mine[0], expires=int(now + overlap_seconds))
    others = [key for key in living if key.name != name]
    return _with_new([*others, *([ending] if overlap_seconds > 0 else [])], replace(mine[0], created=int(now)))


def revoked(keys: Sequence[ApiKey], name_or_id: str, now: float) -> tuple[ApiKey, ...]:
    """The document without a key, or without one of its secrets.

    Raises:
        ApiKeysError: there is none.
    """
    living = pruned(keys, now)
    left = tuple(key for key in living if name_or_id not in (key.name, key.id))
    if len(left) == len(living):
        raise ApiKeysError(f"there is no key {name_or_id}; `warmfleet keys list` shows those that there are")
    return left


def pruned(keys: Sequence[ApiKey], now: float) -> tuple[ApiKey, ...]:
    return tuple(key for key in keys if key.lives(now))


def found(keys: Sequence[ApiKey], text: str, now: float) -> ApiKey | None:
    """The key whose secret this is, if it lives. The time that it takes tells nothing of a hash."""
    given = _hash(text)
    matching = [key for key in keys if hmac.compare_digest(key.sha256, given)]
    return next((key for key in matching if key.lives(now)), None)


def to_json(keys: Sequence[ApiKey]) -> str:
    """The document; members without a value are left out, as room is scarce.

    Raises:
        ApiKeysError: it is too long.
    """
    listed = [{name: value for name, value in asdict(key).items() if value is not None} for key in keys]
    text = json.dumps({"keys": listed}, separators=(",", ":"))
    if len(text) > MOST_BYTES:
        raise ApiKeysError(f"{len(text)} bytes of key hashes are above SSM's {MOST_BYTES}; revoke keys that are unused")
    return text


def parse(text: str) -> tuple[ApiKey, ...]:
    """Read the document.

    Raises:
        ApiKeysError: it is none; what stands in it is not said.
    """
    try:
        return tuple(_key(each) for each in json.loads(text)["keys"])
    except (ValueError, KeyError, TypeError) as error:
        raise ApiKeysError(f"the document of API keys is none: {type(error).__name__}") from None


def _key(members: object) -> ApiKey:
    if not isinstance(members, dict):
        raise TypeError
    key = ApiKey(**members)
    whole = (key.created, key.expires or 0, key.per_minute or 1, key.at_once or 1)
    if not all(isinstance(each, str) for each in (key.id, key.name, key.sha256)) or len(key.sha256) != 43:
        raise TypeError
    if not all(isinstance(each, int) for each in whole):
        raise TypeError
    return key


def _with_new(keys: Sequence[ApiKey], pattern: ApiKey) -> tuple[str, tuple[ApiKey, ...]]:
    identity = secrets.token_hex(4)
    text = f"{PREFIX}-{identity}-{secrets.token_urlsafe(32)}"
    made = (*keys, replace(pattern, id=identity, sha256=_hash(text)))
    to_json(made)  # there is room for it
    return text, made


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
