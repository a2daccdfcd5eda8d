"""Compiled code of an engine: what it is good for, the key that says so, and its archive. Shared by CLI and node.

What torch.compile and Triton make at an engine's first start serves every later start of the same engine version on the
same type of GPU, for the same model and flags (https://docs.vllm.ai/en/stable/design/torch_compile/). It is code, so
that whoever may write it runs what he likes on each node that takes it: nodes offer, a person accepts (docs/adr/0014).
"""

import hashlib
import io
import json
import tarfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import IO

from inference_service.artifacts.errors import IntegrityError, InvalidDocumentError
from inference_service.artifacts.manifest import check_name

ARCHIVE_NAME = "cache.tar"  # in one object: there are hundreds of small files
FACTS_NAME = "facts.json"
FOLDER = "cache"
MOST_FACTS_BYTES = 64 << 10


@dataclass(frozen=True)
class CacheFacts:
    """All that compiled code depends on. Two nodes that agree on these can use the same."""

    model: str
    version: str
    manifest_sha256: str
    engine: str  # with its version, and that of what it compiles with
    gpu: str  # name and compute capability
    machine: str  # the processor's architecture
    flags: tuple[str, ...]

    def key(self) -> str:
        """32 hex digits that depend on every fact, and on nothing else."""
        return hashlib.sha256(self.to_json()).hexdigest()[:32]

    def to_json(self) -> bytes:
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()


def parse(raw: bytes) -> CacheFacts:
    """Read facts.

    Raises:
        InvalidDocumentError: naming what is wrong.
    """
    try:
        document = json.loads(raw)
        names = {field.name for field in fields(CacheFacts)}
        if not isinstance(document, dict) or set(document) != names:
            raise InvalidDocumentError(f"facts of compiled code: exactly {', '.join(sorted(names))} are needed")
        flags = document.pop("flags")
        texts = [*document.values(), *flags]
    except (ValueError, TypeError) as error:
        raise InvalidDocumentError(f"facts of compiled code are none: {type(error).__name__}: {error}") from error
    if not isinstance(flags, list) or not all(isinstance(text, str) for text in texts):
        raise InvalidDocumentError("facts of compiled code: texts are needed, and a list of texts as flags")
    check_name("model", document["model"])
    check_name("version", document["version"])
    return CacheFacts(**document, flags=tuple(flags))


def pack(directory: Path, facts: CacheFacts, target: Path) -> int:
    """Archive every regular file of `directory`, facts first; returns how many files. One that vanishes is left out."""
    count = 0
    with tarfile.open(target, "w") as archive:
        _add(archive, FACTS_NAME, facts.to_json())
        for path in sorted(directory.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            _add(archive, f"{FOLDER}/{path.relative_to(directory).as_posix()}", content)
            count += 1
    return count


def read_facts(stream: IO[bytes]) -> CacheFacts:
    """The facts at the beginning of an archive, which may end soon after.

    Raises:
        InvalidDocumentError: it begins otherwise.
    """
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            first = archive.next()
            content = archive.extractfile(first) if first and first.name == FACTS_NAME else None
            if content is None or first is None or first.size > MOST_FACTS_BYTES:
                raise InvalidDocumentError(f"the archive does not begin with {FACTS_NAME}")
            return parse(content.read())
    except tarfile.TarError as error:
        raise InvalidDocumentError(f"not an archive of compiled code: {error}") from error


def unpack(source: Path, key: str, directory: Path) -> None:
    """Write the files of an archive, once it is what `key` says, below `directory`. Nothing but plain files comes out.

    Raises:
        IntegrityError: it is another key's, or has a member that is no plain file with a relative path.
        InvalidDocumentError: it is no archive of compiled code.
        OSError: the disk refuses.
    """
    check(source, key)
    with tarfile.open(source) as archive:
        for member in archive:
            if member.name == FACTS_NAME:
                continue
            content = archive.extractfile(member)
            assert content is not None  # checked
            target = directory / PurePosixPath(member.name).relative_to(FOLDER)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())


def check(source: Path, key: str) -> CacheFacts:
    """The facts of an archive that is whole, is of this key, and holds plain files alone. Raises as `unpack`."""
    with source.open("rb") as stream:
        facts = read_facts(stream)
    if facts.key() != key:
        raise IntegrityError(f"compiled code under key {key} says of itself that its key is {facts.key()}: {facts}")
    try:
        with tarfile.open(source) as archive:
            wrong = [member.name for member in archive if not _plain(member)]
    except (tarfile.TarError, EOFError) as error:
        raise InvalidDocumentError(f"the archive of compiled code {key} is broken: {error}") from error
    if wrong:
        raise IntegrityError(f"compiled code {key} holds {wrong[0]!r}: plain files below {FOLDER}/ are needed")
    return facts


def _plain(member: tarfile.TarInfo) -> bool:
    path = PurePosixPath(member.name)
    below = len(path.parts) > 1 and path.parts[0] == FOLDER and ".." not in path.parts and str(path) == member.name
    return member.isreg() and (below or member.name == FACTS_NAME)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
