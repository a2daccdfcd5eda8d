"""Compiled code that nodes offer, and what becomes of it: listed, accepted, withdrawn."""

import io
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from inference_service import contract
from inference_service.artifacts import ArtifactError, ArtifactStore, PublishResult, compile_cache, publish
from inference_service.artifacts.compile_cache import ARCHIVE_NAME, FACTS_NAME, CacheFacts
from inference_service.artifacts.errors import InvalidDocumentError
from scripts.exit_codes import CommandError

BEGINNING_BYTES = 64 << 10  # of an archive: its facts lie in it


@dataclass(frozen=True)
class Offer:
    """Compiled code that waits to be accepted. `facts` None: it does not say what it is, and cannot be."""

    key: str
    instance_id: str
    bytes: int
    offered_at: datetime
    facts: CacheFacts | None

    def object_key(self, model: str) -> str:
        return f"{contract.offers_prefix(model, self.key)}{self.instance_id}.tar"


@dataclass(frozen=True)
class Accepted:
    """Compiled code that nodes fetch. `facts` None: they cannot be read, nor will nodes take it."""

    key: str
    bytes: int
    facts: CacheFacts | None


def offers(store: ArtifactStore, model: str) -> list[Offer]:
    """Every offer, the newest first."""
    pages = store.s3.get_paginator("list_objects_v2").paginate(
        Bucket=store.bucket, Prefix=f"{contract.OFFERS_PREFIX}{model}/"
    )
    found = [_offer(store, item) for page in pages for item in page.get("Contents", [])]
    return sorted(found, key=lambda offer: offer.offered_at, reverse=True)


def accepted(store: ArtifactStore, model: str) -> list[Accepted]:
    """What `store`, the bucket's caches, holds of a model."""
    return [_accepted(store, model, key) for key in store.versions(model)]


def named(key: str, keys: Iterable[str], what: str) -> str:
    """The one key that begins so.

    Raises:
        CommandError: none does, or several.
    """
    fitting = sorted({each for each in keys if each.startswith(key)})
    if len(fitting) == 1:
        return fitting[0]
    which = ", ".join(fitting) if fitting else "none"
    raise CommandError(f"{key!r} has to be the beginning of one key that is {what}; fitting: {which}")


def accept(store: ArtifactStore, model: str, offer: Offer) -> PublishResult:
    """Publish an offer as what nodes fetch for its key. `store` is the bucket's caches, as the promoter.

    Raises:
        ArtifactError: it is not what its key says, or another one is accepted already.
    """
    with tempfile.TemporaryDirectory(prefix="warmfleet-cache-") as folder:
        archive, facts = Path(folder, ARCHIVE_NAME), Path(folder, FACTS_NAME)
        _download(store, offer.object_key(model), archive)
        facts.write_bytes(compile_cache.check(archive, offer.key).to_json())
        return publish(store, model, [archive, facts], version=offer.key, allow_code=True, progress=lambda _: None)


def withdraw(store: ArtifactStore, model: str, key: str) -> None:
    """Take the manifest away, with which nodes find it: their next start compiles, and one offers its own."""
    store.s3.delete_object(Bucket=store.bucket, Key=store.version_prefix(model, key) + contract.MANIFEST_NAME)


def _offer(store: ArtifactStore, item: Any) -> Offer:
    _, _, key, name = item["Key"].split("/", 3)
    answer = store.s3.get_object(Bucket=store.bucket, Key=item["Key"], Range=f"bytes=0-{BEGINNING_BYTES - 1}")
    try:
        facts = compile_cache.read_facts(io.BytesIO(answer["Body"].read()))
    except InvalidDocumentError:
        facts = None
    right = facts if facts and facts.key() == key else None
    return Offer(key, name.removesuffix(".tar"), item["Size"], item["LastModified"], right)


def _accepted(store: ArtifactStore, model: str, key: str) -> Accepted:
    total, prefix = store.manifest(model, key).total_bytes, store.version_prefix(model, key)
    try:
        answer = store.s3.get_object(Bucket=store.bucket, Key=prefix + FACTS_NAME)
        return Accepted(key, total, compile_cache.parse(answer["Body"].read()))
    except (InvalidDocumentError, ClientError):
        return Accepted(key, total, None)


def _download(store: ArtifactStore, key: str, target: Path) -> None:
    try:
        store.s3.download_file(store.bucket, key, str(target))
    except (ClientError, BotoCoreError) as error:
        raise ArtifactError(f"s3://{store.bucket}/{key} cannot be read: {error}") from error
