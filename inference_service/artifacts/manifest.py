"""The manifest of one model version: each file's path, bytes and SHA-256, and nothing that changes between machines."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from inference_service.artifacts.errors import InvalidDocumentError
from inference_service.contract import MANIFEST_NAME

FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, order=True)
class FileEntry:
    """One file of a version. `path` is relative to the version's prefix, with forward slashes."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a version consists of. Files are kept in the order of their paths."""

    model: str
    version: str
    files: tuple[FileEntry, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", tuple(sorted(self.files)))

    @property
    def total_bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    def to_json(self) -> bytes:
        """The one byte sequence for these contents: no time and no place in it, so the same files give it anywhere."""
        document = {"format": FORMAT, "model": self.model, "version": self.version, "files": _rows(self.files)}
        return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()

    def sha256(self) -> str:
        """What the pointer carries, so that a manifest cannot be exchanged behind it."""
        return hashlib.sha256(self.to_json()).hexdigest()


def content_version(files: Iterable[FileEntry]) -> str:
    """The default version name: 16 hex digits that depend on paths, sizes and hashes alone."""
    return hashlib.sha256(json.dumps(_rows(sorted(files)), sort_keys=True).encode()).hexdigest()[:16]


def check_name(what: str, name: str) -> str:
    """Return a model or version name that is safe in an object key and in a directory name.

    Raises:
        InvalidDocumentError: it is not.
    """
    if not _NAME.fullmatch(name):
        raise InvalidDocumentError(
            f"{what} {name!r} cannot be a part of an object key: use 1 to 128 of A-Z a-z 0-9 . _ -, "
            "the first a letter or a digit"
        )
    return name


def parse(raw: bytes) -> Manifest:
    """Read a manifest and check every field: nodes write files where its paths say.

    Raises:
        InvalidDocumentError: naming the field that is wrong.
    """
    try:
        document = json.loads(raw)
        if document["format"] != FORMAT:
            raise InvalidDocumentError(f"manifest format {document['format']!r}: this software reads {FORMAT}")
        files = tuple(_entry(row) for row in document["files"])
        manifest = Manifest(check_name("model", document["model"]), check_name("version", document["version"]), files)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidDocumentError(f"the manifest is not one: {type(error).__name__}: {error}") from error
    if not files or len({file.path for file in files}) != len(files):
        raise InvalidDocumentError(
            f"the manifest lists {len(files)} files; at least one, and each path once, is needed"
        )
    return manifest


def _rows(files: Iterable[FileEntry]) -> list[dict[str, Any]]:
    return [asdict(file) for file in files]


def _entry(row: dict[str, Any]) -> FileEntry:
    entry = FileEntry(**row)
    path = PurePosixPath(entry.path)
    if path.is_absolute() or ".." in path.parts or str(path) != entry.path or entry.path in (".", MANIFEST_NAME):
        raise InvalidDocumentError(f"manifest path {entry.path!r}: a plain relative path is needed")
    if not isinstance(entry.bytes, int) or isinstance(entry.bytes, bool) or entry.bytes < 0:
        raise InvalidDocumentError(f"manifest bytes {entry.bytes!r} of {entry.path}: a number from 0 is needed")
    if not _SHA256.fullmatch(entry.sha256):
        raise InvalidDocumentError(f"manifest sha256 {entry.sha256!r} of {entry.path}: 64 hex digits are needed")
    return entry
