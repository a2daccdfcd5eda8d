"""The planner's Lambda package: infra/planner and the names that it shares with the service, as they are in the
repository.

The simulator imports the same files: what was replayed is what is deployed, byte for byte. The runtime brings boto3.
"""

import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

NAME = "planner.zip"
EPOCH = (1980, 1, 1, 0, 0, 0)  # ZIP's own: same files, same bytes
READABLE = 0o644 << 16


def sources(root: Path) -> Iterator[Path]:
    """Paths relative to the repository's root, sorted."""
    yield Path("inference_service/__init__.py")
    yield Path("inference_service/contract.py")
    yield Path("infra/__init__.py")
    for path in sorted((root / "infra" / "planner").glob("*.py")):
        yield path.relative_to(root)


def content(root: Path) -> bytes:
    """The archive, the same bytes for the same sources."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sources(root):
            entry = zipfile.ZipInfo(path.as_posix(), EPOCH)
            entry.external_attr, entry.compress_type = READABLE, zipfile.ZIP_DEFLATED
            archive.writestr(entry, (root / path).read_bytes())
    return packed.getvalue()


def write(root: Path, folder: Path) -> Path:
    """Make sure that `folder` holds the package of these sources; the path."""
    path, wanted = folder / NAME, content(root)
    if not path.is_file() or path.read_bytes() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".part")
        half.write_bytes(wanted)
        half.replace(path)
    return path
