"""Answers under an Idempotency-Key in S3, so that any gateway can give them again: one object each, written only over
what was read. While an answer is being made its object is a lease, renewed by whoever makes it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError

from inference_service import contract
from inference_service.artifacts.store import error_code

Answer = TypeVar("Answer")

RUNNING, DONE, FREE = "running", "done", "free"
LOST = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
ABSENT = ("NoSuchKey", "404", "AccessDenied", "403")  # without ListBucket S3 says 403 for what is not there


class StoreError(Exception):
    """S3 does not answer, or refuses."""


class SilentStoreError(StoreError):
    """S3 says nothing: asking again now would take as long."""


class NotAskedError(SilentStoreError):
    """It said nothing a moment ago, and was not asked."""


@dataclass(frozen=True)
class Kept:
    """One object. `fingerprint` is the request's; `beat` makes each renewal another object."""

    state: str
    fingerprint: str
    owner: str = ""
    beat: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def to_bytes(self) -> bytes:
        members = asdict(self)
        body = members.pop("body")
        return json.dumps(members).encode() + b"\n" + zlib.compress(body, 1)


def parse(raw: bytes) -> Kept:
    """Raises StoreError: it is none of ours."""
    try:
        head, _, body = raw.partition(b"\n")
        return Kept(**json.loads(head), body=zlib.decompress(body))
    except (ValueError, TypeError, zlib.error) as error:
        raise StoreError(f"an answer that was kept cannot be read: {type(error).__name__}") from error


@dataclass(frozen=True)
class IdempotencyStore:
    """All of it blocks: call it in a thread. Every method raises StoreError."""

    s3: Any
    bucket: str

    def read(self, identity: str) -> tuple[Kept, str] | None:
        """What is kept, and its ETag."""
        found = _unless(ABSENT, lambda: self._get(contract.idempotency_key(identity)))
        return None if found is None else (parse(found[0]), found[1])

    def write(self, identity: str, kept: Kept, over: str | None) -> str | None:
        """Write over the object with this ETag, or where None is; the new ETag, or None where another was there."""
        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over}
        return _unless(LOST, lambda: self._put(contract.idempotency_key(identity), kept.to_bytes(), condition))

    def _get(self, key: str) -> tuple[bytes, str]:
        found = self.s3.get_object(Bucket=self.bucket, Key=key)
        return found["Body"].read(), str(found["ETag"])

    def _put(self, key: str, body: bytes, condition: Mapping[str, str]) -> str:
        return str(self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **condition)["ETag"])


def _unless(codes: Sequence[str], call: Callable[[], Answer]) -> Answer | None:
    """What S3 answers; None where it refuses with one of these codes. Every other failure is a StoreError."""
    try:
        return call()
    except (ClientError, BotoCoreError) as error:
        if isinstance(error, ClientError) and error_code(error) in codes:
            return None
        kind = SilentStoreError if isinstance(error, ConnectTimeoutError | ReadTimeoutError) else StoreError
        raise kind(f"{type(error).__name__}: {error}") from error
