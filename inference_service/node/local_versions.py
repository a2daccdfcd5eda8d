"""Model versions on the node's disk: complete ones under their name, unfinished ones beside them."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from inference_service import contract
from inference_service.artifacts import ArtifactError, Manifest

PARTIAL_SUFFIX = ".partial"  # no version name ends so: a directory with it is never taken for a complete version
RESERVE_BYTES = 256 << 20  # for logs and the engine's own caches


@dataclass(frozen=True)
class LocalVersions:
    """The versions of one model, in a folder of `data_dir`."""

    data_dir: Path
    model: str
    folder: str = "models"

    @property
    def root(self) -> Path:
        return self.data_dir / self.folder / self.model

    def complete(self, version: str) -> Path:
        return self.root / version

    def partial(self, version: str) -> Path:
        return self.root / (version + PARTIAL_SUFFIX)

    def finish(self, manifest: Manifest) -> Path:
        """Rename the verified download: from then on it is complete, also after a crash."""
        target = self.complete(manifest.version)
        (self.partial(manifest.version) / contract.MANIFEST_NAME).write_bytes(manifest.to_json())
        shutil.rmtree(target, ignore_errors=True)
        self.partial(manifest.version).rename(target)
        return target

    def reopen(self, version: str) -> Path:
        """The directory to download into: what is there already, complete or not, is checked file by file."""
        partial, complete = self.partial(version), self.complete(version)
        if complete.is_dir() and not partial.exists():
            complete.rename(partial)
        partial.mkdir(parents=True, exist_ok=True)
        return partial

    def prune(self, keep: Iterable[str]) -> list[str]:
        """Remove every version but these, and unfinished downloads of others; returns the names removed."""
        kept = {name for version in keep for name in (version, version + PARTIAL_SUFFIX)}
        old = [path for path in self.root.iterdir() if path.name not in kept] if self.root.is_dir() else []
        for path in old:
            shutil.rmtree(path, ignore_errors=True)
        return sorted(path.name for path in old)


def check_space(directory: Path, needed_bytes: int) -> None:
    """Refuse a download that cannot fit.

    Raises:
        ArtifactError: with bytes needed and free, the path, and what to change.
    """
    free = shutil.disk_usage(directory).free
    if needed_bytes + RESERVE_BYTES > free:
        raise ArtifactError(
            f"no disk space for the model: {needed_bytes} bytes needed and {RESERVE_BYTES} kept in reserve, "
            f"{free} free at {directory}; give the nodes a larger volume (stack setting), or free space there"
        )
