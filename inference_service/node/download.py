"""Fetch one model version: ranged reads in parallel, each file hashed while the rest still arrives."""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from urllib3.exceptions import HTTPError

from inference_service.artifacts import ArtifactError, ArtifactStore, FileEntry, Manifest, VersionRef
from inference_service.artifacts.errors import IntegrityError, MissingObjectError
from inference_service.artifacts.store import error_code
from inference_service.node.local_versions import LocalVersions, check_space

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MIB = 1 << 20
# Measured, 1 GiB over loopback on 2 cores: 800-970 MB/s hashing by reading back with parts of 64 MiB, 660 with 8 or 16;
# 270 MB/s, and 1.1 GB of memory, when parts are held and hashed in order before they are written.
PART_BYTES = 64 * MIB
PARALLEL_PARTS = 8
PARALLEL_HASHES = 4
CHUNK_BYTES = MIB
READ_ATTEMPTS = 4  # of one part; botocore retries the request itself, but not a body that breaks off
REPAIR = "`warmfleet models publish` of the same files repairs it; if it is active, `warmfleet models rollback` helps"
BROKEN_READS = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError, HTTPError, ConnectionError)


class FetchCancelledError(Exception):
    """Another version is wanted now, or the node has to leave."""


@dataclass
class Progress:
    """Bytes received or hashed so far; heartbeats go on only while it grows."""

    cancelled: threading.Event = field(default_factory=threading.Event)
    bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, count: int) -> None:
        if self.cancelled.is_set():
            raise FetchCancelledError
        with self._lock:
            self.bytes += count


@dataclass(frozen=True)
class Fetched:
    """A complete, verified version on disk. Hashing overlaps downloading: only what comes after it is verifying."""

    reference: VersionRef
    directory: Path
    downloaded_bytes: int
    download_seconds: float
    verify_seconds: float


class VersionFetcher:
    """Brings versions of one model to this disk. Blocking: call it in a thread."""

    def __init__(
        self, store: ArtifactStore, local: LocalVersions, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._local = local
        self._monotonic = monotonic

    def fetch(self, reference: VersionRef, progress: Progress, keep: frozenset[str] = frozenset()) -> Fetched:
        """Download what is missing or differs, verify everything, and give the version its name on disk.

        Args:
            keep: versions that are not removed when space runs short.

        Raises:
            IntegrityError: a file differs from the manifest, or the manifest from the pointer.
            MissingObjectError: the bucket lacks a file.
            ArtifactError: no space, or the bucket cannot be read.
            FetchCancelledError: `progress.cancelled` was set.
        """
        started = self._monotonic()
        manifest = self._store.manifest_for(self._local.model, reference)
        directory = self._local.reopen(reference.version)
        verify_started = self._monotonic()
        missing = [file for file in manifest.files if not _is_there(directory / file.path, file, progress)]
        checked = self._monotonic()
        needed = sum(file.bytes for file in missing)
        self._make_room(needed, keep | {reference.version})
        received_at = self._receive(manifest, missing, directory, progress) if missing else checked
        target = self._local.finish(manifest)
        ended = self._monotonic()
        verify_seconds = (checked - verify_started) + (ended - received_at)
        return Fetched(reference, target, needed, ended - started - verify_seconds, verify_seconds)

    def _make_room(self, needed: int, keep: frozenset[str]) -> None:
        try:
            check_space(self._local.root, needed)
        except ArtifactError:
            if not self._local.prune(keep):
                raise
            check_space(self._local.root, needed)

    def _receive(self, manifest: Manifest, missing: list[FileEntry], directory: Path, progress: Progress) -> float:
        """Download and verify; returns when the last byte was here."""
        prefix = self._store.version_prefix(manifest.model, manifest.version)
        with ThreadPoolExecutor(PARALLEL_PARTS) as receivers, ThreadPoolExecutor(PARALLEL_HASHES) as hashers:
            transfers = [
                _Transfer(self._store.s3, self._store.bucket, prefix + file.path, file, directory / file.path, progress)
                for file in missing
            ]
            parts = [transfer.start(receivers) for transfer in transfers]
            checks = [hashers.submit(t.verify, futures) for t, futures in zip(transfers, parts, strict=True)]
            try:
                for futures in parts:
                    for future in futures:
                        future.result()
                received_at = self._monotonic()
                for check in checks:
                    check.result()
            except BaseException:
                receivers.shutdown(wait=False, cancel_futures=True)
                raise
        return received_at


@dataclass(frozen=True)
class _Transfer:
    """One file on its way from the bucket to the disk."""

    s3: "S3Client"
    bucket: str
    key: str
    entry: FileEntry
    target: Path
    progress: Progress

    def start(self, pool: ThreadPoolExecutor) -> list[Future[None]]:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        with self.target.open("wb") as stream:
            os.truncate(stream.fileno(), self.entry.bytes)
        return [pool.submit(self._receive_part, first) for first in range(0, self.entry.bytes, PART_BYTES)]

    def verify(self, parts: list[Future[None]]) -> None:
        """Hash each part as soon as it and all before it are here, read back from the page cache."""
        digest = hashlib.sha256()
        with self.target.open("rb") as stream:
            for part in parts:
                part.result()
                for chunk in _chunks(stream, PART_BYTES):
                    digest.update(chunk)
                    self.progress.add(len(chunk))
        if digest.hexdigest() != self.entry.sha256:
            self.target.unlink()  # the other files stay: only this one is fetched again
            raise self._differs(f"SHA-256 {digest.hexdigest()}", f"{self.entry.sha256} in the manifest")

    def _receive_part(self, first: int) -> None:
        last = min(first + PART_BYTES, self.entry.bytes) - 1
        try:
            for _ in range(READ_ATTEMPTS - 1):
                with suppress(*BROKEN_READS):
                    return self._receive_range(first, last)
            return self._receive_range(first, last)
        except ClientError as error:
            raise self._explained(error, first) from error
        except (BotoCoreError, *BROKEN_READS) as error:
            raise ArtifactError(f"s3://{self.bucket}/{self.key} cannot be read: {error}") from error

    def _receive_range(self, first: int, last: int) -> None:
        answer = self.s3.get_object(Bucket=self.bucket, Key=self.key, Range=f"bytes={first}-{last}")
        size = int(answer["ContentRange"].rpartition("/")[2])
        if size != self.entry.bytes:
            raise self._wrong_size(first)
        with self.target.open("r+b") as stream:
            stream.seek(first)
            for chunk in answer["Body"].iter_chunks(CHUNK_BYTES):
                stream.write(chunk)
                self.progress.add(len(chunk))

    def _explained(self, error: ClientError, first: int) -> ArtifactError:
        if error_code(error) in ("NoSuchKey", "404"):
            return MissingObjectError(
                f"{self.entry.path} is in the manifest but not in the bucket: s3://{self.bucket}/{self.key}; {REPAIR}"
            )
        if error_code(error) == "InvalidRange":  # the object ends before the part begins
            return self._wrong_size(first)
        return ArtifactError(f"s3://{self.bucket}/{self.key}: {error}")

    def _wrong_size(self, first: int) -> IntegrityError:
        """Both sizes and hashes; only the first part, whose error is the one told, reads the object for its hash."""
        expected = f"{self.entry.bytes} bytes ({self.entry.sha256}) in the manifest"
        if first > 0:
            return self._differs("its size", expected)
        digest, size = hashlib.sha256(), 0
        for chunk in self.s3.get_object(Bucket=self.bucket, Key=self.key)["Body"].iter_chunks(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            self.progress.add(0)  # ends here when cancelled, and is no progress
        return self._differs(f"{size} bytes, SHA-256 {digest.hexdigest()}", expected)

    def _differs(self, found: str, expected: str) -> IntegrityError:
        where = f"s3://{self.bucket}/{self.key}"
        return IntegrityError(f"{self.entry.path} differs from its manifest: {found}, {expected}; in {where}; {REPAIR}")


def _is_there(path: Path, entry: FileEntry, progress: Progress) -> bool:
    if not path.is_file() or path.stat().st_size != entry.bytes:
        return False
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for chunk in _chunks(stream, entry.bytes):
            digest.update(chunk)
            progress.add(len(chunk))
    return digest.hexdigest() == entry.sha256


def _chunks(stream: BinaryIO, most: int) -> Iterator[bytes]:
    while most > 0 and (chunk := stream.read(min(CHUNK_BYTES, most))):
        most -= len(chunk)
        yield chunk
