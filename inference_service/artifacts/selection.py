"""Which local files become a version, and why some may not: decided before a byte is sent."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from inference_service.artifacts.errors import UnpublishableError
from inference_service.contract import MANIFEST_NAME

# Formats that hold numbers only. PyTorch's own (.bin, .pt, .ckpt) are pickles, which run code when they are loaded
# (https://docs.python.org/3/library/pickle.html); a .py of a Hugging Face directory runs with trust_remote_code.
WEIGHTS = frozenset({".safetensors", ".gguf"})
TEXTS = frozenset({".json", ".txt", ".md", ".jinja", ".model", ".tiktoken", ".yaml", ".yml"})
TEXT_NAMES = frozenset({"LICENSE", "NOTICE", "MERGES", "VOCAB"})


@dataclass(frozen=True)
class LocalFile:
    """A file to publish: where it lies, and its path inside the version."""

    source: Path
    path: str


def select(paths: Iterable[Path], *, allow_code: bool) -> list[LocalFile]:
    """The files of a version: a directory keeps its tree, a file its name; hidden files stay behind.

    Raises:
        UnpublishableError: naming every path that is missing, twice, empty, or of a format that may carry code.
    """
    given = list(paths)
    files = [file for path in given for file in _expand(path)]
    problems = [f"{path}: no such file or directory" for path in given if not path.exists()]
    problems += [] if allow_code else [problem for file in files if (problem := _refusal(file))]
    problems += [f"{path}: given twice" for path in sorted(_repeated(file.path for file in files))]
    problems += [f"{file.path}: the name is taken by the manifest" for file in files if file.path == MANIFEST_NAME]
    if not problems and not any(file.source.suffix in WEIGHTS or allow_code for file in files):
        problems = [f"no weights among {len(files)} files: a .safetensors or .gguf file is needed"]
    if problems:
        raise UnpublishableError("nothing was published:\n" + "\n".join(f"  {problem}" for problem in problems))
    return sorted(files, key=lambda file: file.path)


def _expand(path: Path) -> Iterator[LocalFile]:
    if path.is_file():
        yield LocalFile(path, path.name)
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            source = Path(folder, name)
            yield LocalFile(source, source.relative_to(path).as_posix())


def _refusal(file: LocalFile) -> str | None:
    suffix = file.source.suffix
    if suffix in WEIGHTS:
        return _not_what_it_says(file)
    if suffix in TEXTS or file.source.name in TEXT_NAMES:
        return None
    name = suffix or "without suffix"
    return f"{file.path}: format {name} may carry code; convert it to safetensors or GGUF, or pass --allow-code"


def _not_what_it_says(file: LocalFile) -> str | None:
    """A pickle does not become harmless by its name: both formats are told by their first bytes."""
    with file.source.open("rb") as stream:
        head = stream.read(9)
    if file.source.suffix == ".gguf":
        return None if head.startswith(b"GGUF") else f"{file.path}: not a GGUF file, it begins with {head[:4]!r}"
    header = int.from_bytes(head[:8], "little")
    if len(head) == 9 and head[8:] == b"{" and 8 + header <= file.source.stat().st_size:
        return None
    return f"{file.path}: not a safetensors file, it begins with {head!r}"


def _repeated(names: Iterable[str]) -> set[str]:
    seen: set[str] = set()
    return {name for name in names if name in seen or seen.add(name)}  # type: ignore[func-returns-value]
