"""Answers under an Idempotency-Key in S3, so that any gateway can give them again: one object each, written only over
what was read. While an answer is being made its object is a lease, renewed by whoever makes it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from inference_service import contract
from inference_service.artifacts.store import error_code

RUNNING, DONE, FREE = "running", "done", "free"
LOST = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
ABSENT = ("NoSuchKey", "404", "AccessDenied", "403")  # without ListBucket S3 says 403 for what is not there


class StoreError(Exception):
    """S3 does not answer, or refuses."""


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
        try:
            found = self.s3.get_object(Bucket=self.bucket, Key=contract.idempotency_key(identity))
            return parse(found["Body"].read()), str(found["ETag"])
        except ClientError as error:
            if error_code(error) in ABSENT:
                return None
            raise _explained(error) from error
        except BotoCoreError as error:
            raise _explained(error) from error

    def write(self, identity: str, kept: Kept, over: str | None) -> str | None:
        """Write over the object with this ETag, or where None is; the new ETag, or None where another was there."""
        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over}
        key = contract.idempotency_key(identity)
        try:
            return str(self.s3.put_object(Bucket=self.bucket, Key=key, Body=kept.to_bytes(), **condition)["ETag"])
        except ClientError as error:
            if error_code(error) in LOST:
                return None
            raise _explained(error) from error
        except BotoCoreError as error:
            raise _explained(error) from error


def _explained(error: Exception) -> StoreError:
    return StoreError(f"{type(error).__name__}: {error}")
