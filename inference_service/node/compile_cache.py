"""The engine's compiled code on this node: fetched before the engine starts, offered after it has compiled.

It makes a start shorter and nothing else: whatever goes wrong with it is a line in the log, and the engine compiles.
"""

import base64
import hashlib
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from inference_service import contract
from inference_service.artifacts import ArtifactError, ArtifactStore, VersionRef, compile_cache
from inference_service.artifacts.compile_cache import ARCHIVE_NAME, CacheFacts
from inference_service.node.download import Progress, VersionFetcher
from inference_service.node.local_versions import LocalVersions, check_space

FOLDER = "compiled"
ARCHIVES_FOLDER = "compiled-archives"
MOST_OFFERED_BYTES = 2 << 30  # vLLM's are some hundred MB; S3 takes 5 GiB in one request


@dataclass(frozen=True)
class CacheUse:
    """Where the engine keeps what it compiles, and how that came to be there. No `facts`: it compiles nothing."""

    outcome: str = contract.CACHE_NONE
    facts: CacheFacts | None = None
    directory: Path | None = None
    seconds: float = 0.0

    def filled(self) -> bool:
        return self.directory is not None and _has_files(self.directory)


class CompileCaches:
    """The compiled code of one model's versions. Blocking: call it in a thread.

    `store` is the bucket's caches; what is offered goes into the same bucket.
    """

    def __init__(
        self,
        store: ArtifactStore,
        data_dir: Path,
        model: str,
        instance_id: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._model = model
        self._instance_id = instance_id
        self._local = LocalVersions(data_dir, model, FOLDER)
        self._archives = LocalVersions(data_dir, model, ARCHIVES_FOLDER)
        self._monotonic = monotonic
        self._spoiled = set[str]()
        self._present: str | None = None
        self._before: str | None = None

    def bring(self, facts: CacheFacts, progress: Progress) -> CacheUse:
        """What is on this disk, else what is published, else an empty directory; never an error.

        Raises:
            FetchCancelledError: `progress.cancelled` was set.
        """
        started, key = self._monotonic(), facts.key()
        outcome = self._bring(key, progress)
        use = CacheUse(outcome, facts, self._local.complete(key), self._monotonic() - started)
        self._log(key).info("compiled code", outcome=outcome, seconds=round(use.seconds, 3))
        self._prune(key)
        return use

    def spoil(self, use: CacheUse, reason: str) -> CacheUse:
        """Throw away what an engine failed with; this process does not fetch it again."""
        if use.facts is None or use.directory is None:
            return use
        self._log(use.facts.key()).error("the engine failed with its compiled code, and compiles anew", reason=reason)
        self._spoiled.add(use.facts.key())
        shutil.rmtree(use.directory, ignore_errors=True)
        return replace(use, outcome=contract.CACHE_REFUSED)

    def offer(self, use: CacheUse) -> threading.Thread | None:
        """Put what this node's engine compiled into the bucket, for a person to accept; in the background.

        The thread ends with the process: a node that leaves does not wait for it.
        """
        if use.facts is None or use.outcome not in (contract.CACHE_ABSENT, contract.CACHE_KEPT):
            return None
        thread = threading.Thread(target=self._try_to_offer, args=(use.facts,), name="offer", daemon=True)
        thread.start()
        return thread

    def _bring(self, key: str, progress: Progress) -> str:
        if key in self._spoiled:
            return contract.CACHE_REFUSED
        if _has_files(self._local.complete(key)):
            return contract.CACHE_KEPT
        try:
            return self._fetch(key, progress)
        except (ArtifactError, ClientError, BotoCoreError, OSError) as error:
            self._log(key).warning("compiled code cannot be used: the engine compiles", error=str(error))
            return contract.CACHE_REFUSED
        finally:
            self._archives.prune(())

    def _fetch(self, key: str, progress: Progress) -> str:
        sha256 = self._store.manifest_sha256(self._model, key)
        if sha256 is None:
            return contract.CACHE_ABSENT
        fetched = VersionFetcher(self._store, self._archives).fetch(VersionRef(key, sha256), progress)
        partial = self._local.partial(key)
        shutil.rmtree(partial, ignore_errors=True)
        compile_cache.unpack(fetched.directory / ARCHIVE_NAME, key, partial)
        shutil.rmtree(self._local.complete(key), ignore_errors=True)
        partial.rename(self._local.complete(key))
        return contract.CACHE_FETCHED

    def _prune(self, key: str) -> None:
        """The version before keeps its own: a model is rolled back."""
        if key != self._present:
            self._present, self._before = key, self._present
        self._local.prune(kept for kept in (self._present, self._before) if kept)

    def _try_to_offer(self, facts: CacheFacts) -> None:
        archive = self._archives.root / f"{facts.key()}.offer"
        try:
            self._offer(facts, archive)
        except (ArtifactError, ClientError, BotoCoreError, OSError) as error:
            self._log(facts.key()).warning("compiled code cannot be offered", error=str(error))
        finally:
            archive.unlink(missing_ok=True)

    def _offer(self, facts: CacheFacts, archive: Path) -> None:
        key, s3, bucket = facts.key(), self._store.s3, self._store.bucket
        prefix, directory = contract.offers_prefix(self._model, key), self._local.complete(key)
        if not _has_files(directory) or self._store.manifest_sha256(self._model, key):
            return
        if s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents"):
            return  # one is enough
        archive.parent.mkdir(parents=True, exist_ok=True)
        check_space(archive.parent, sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()))
        files = compile_cache.pack(directory, facts, archive)
        if archive.stat().st_size > MOST_OFFERED_BYTES:
            raise ArtifactError(f"{archive.stat().st_size} bytes, the most is {MOST_OFFERED_BYTES}")
        with archive.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").digest()
            stream.seek(0)
            checksum = base64.b64encode(digest).decode()
            s3.put_object(Bucket=bucket, Key=f"{prefix}{self._instance_id}.tar", Body=stream, ChecksumSHA256=checksum)
        self._log(key).info("compiled code offered", files=files, bytes=archive.stat().st_size)

    def _log(self, key: str) -> structlog.stdlib.BoundLogger:
        log: structlog.stdlib.BoundLogger = structlog.get_logger().bind(model=self._model, cache=key)
        return log


def _has_files(directory: Path) -> bool:
    with suppress(FileNotFoundError):
        return any(path.is_file() for path in directory.rglob("*"))
    return False
