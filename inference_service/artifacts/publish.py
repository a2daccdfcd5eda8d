"""Publish local files as one immutable version: hash, upload what is missing, write the manifest last."""

import hashlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError

from inference_service import contract
from inference_service.artifacts.errors import ArtifactError, VersionExistsError
from inference_service.artifacts.manifest import FileEntry, Manifest, check_name, content_version
from inference_service.artifacts.selection import LocalFile, select
from inference_service.artifacts.store import ArtifactStore
from inference_service.artifacts.upload import MIB, Uploader

READ_BYTES = 4 * MIB


@dataclass(frozen=True)
class PublishProgress:
    """How far a publication is, over all files; each phase counts from 0 to `total_bytes`."""

    phase: Literal["hash", "upload"]
    path: str
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class PublishResult:
    """`created` is False when the bucket already held this version; `repaired` are its files that were put back."""

    version: str
    manifest_sha256: str
    created: bool
    bytes: int
    repaired: tuple[str, ...] = ()


Report = Callable[[PublishProgress], None]


def publish(
    store: ArtifactStore,
    model: str,
    paths: Iterable[Path],
    *,
    version: str | None = None,
    allow_code: bool = False,
    progress: Report,
) -> PublishResult:
    """Publish files and directories as a version of `model`, by default named after their content.

    Interrupted, it leaves no manifest, hence no version; the same call then sends only what is missing.

    Raises:
        UnpublishableError: files that are missing or may carry code (all named at once), or that change meanwhile.
        VersionExistsError: `version` is taken by other bytes.
        ArtifactError: the bucket refuses, or a name is unfit for an object key.
    """
    check_name("model", model)
    files = select(paths, allow_code=allow_code)
    total = sum(file.source.stat().st_size for file in files)
    entries = _hash_all(files, _Counter("hash", total, progress))
    manifest = Manifest(model, check_name("version", version or content_version(entries)), tuple(entries))
    exists = _exists(store, manifest)
    try:  # of a version that exists as well: what was altered or lost in the bucket is put back
        sent = _upload_all(store, manifest, files, _Counter("upload", total, progress))
    except (ClientError, BotoCoreError) as error:
        raise ArtifactError(f"upload to bucket {store.bucket} failed: {error}; run the same command again") from error
    created = not exists and _commit(store, manifest)
    return PublishResult(manifest.version, manifest.sha256(), created, total, repaired=sent if exists else ())


class _Counter:
    """Sums the bytes of all files; parts report from several threads."""

    def __init__(self, phase: Literal["hash", "upload"], total: int, report: Report) -> None:
        self._phase: Literal["hash", "upload"] = phase
        self._total = total
        self._report = report
        self._done = 0
        self._lock = threading.Lock()

    def add(self, path: str, count: int) -> None:
        with self._lock:
            self._done += count
            self._report(PublishProgress(self._phase, path, self._done, self._total))


def _hash_all(files: list[LocalFile], counter: _Counter) -> list[FileEntry]:
    return [_hash(file, counter) for file in files]


def _hash(file: LocalFile, counter: _Counter) -> FileEntry:
    digest, size = hashlib.sha256(), 0
    with file.source.open("rb") as stream:
        while chunk := stream.read(READ_BYTES):
            digest.update(chunk)
            size += len(chunk)
            counter.add(file.path, len(chunk))
    return FileEntry(file.path, size, digest.hexdigest())


def _upload_all(store: ArtifactStore, manifest: Manifest, files: list[LocalFile], counter: _Counter) -> tuple[str, ...]:
    """Send what the bucket lacks or holds with other content; the paths of what was sent."""
    prefix = store.version_prefix(manifest.model, manifest.version)
    sources = {file.path: file for file in files}
    sent = []
    for entry in manifest.files:
        uploader = Uploader(store.s3, store.bucket, lambda count, path=entry.path: counter.add(path, count))  # type: ignore[misc]
        if uploader.present(prefix + entry.path, entry):
            counter.add(entry.path, entry.bytes)
        else:
            uploader.upload(sources[entry.path], prefix + entry.path, entry)
            sent.append(entry.path)
    return tuple(sent)


def _exists(store: ArtifactStore, manifest: Manifest) -> bool:
    """Whether this very version is published.

    Raises:
        VersionExistsError: its name is taken by other bytes.
    """
    found = store.manifest_sha256(manifest.model, manifest.version)
    if found is None or found == manifest.sha256():
        return found is not None
    text = (
        f"{manifest.model} {manifest.version} exists with other content: manifest SHA-256 {found} in bucket "
        f"{store.bucket}, {manifest.sha256()} here"
    )
    if manifest.version != content_version(manifest.files):
        raise VersionExistsError(f"{text}; leave --version out, or choose another name")
    key = store.version_prefix(manifest.model, manifest.version) + contract.MANIFEST_NAME
    raise VersionExistsError(
        f"{text}; a version named by its content has one manifest, so somebody has altered it: delete "
        f"s3://{store.bucket}/{key} and publish again, or publish under another --version"
    )


def _commit(store: ArtifactStore, manifest: Manifest) -> bool:
    """Write the manifest; False when somebody else has published the same bytes meanwhile."""
    try:
        store.put_manifest(manifest)
    except VersionExistsError:
        return not _exists(store, manifest)
    return True
