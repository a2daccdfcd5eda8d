"""Builds the service bundle: the program uploads it; each node verifies it and configures itself with what is in it.

`build/service/bundle.tar.gz` holds wheels, requirements, playbooks and roles; `manifest.json` lists each file with its
SHA-256. The version of the service is the SHA-256 of that manifest.
"""

import contextlib
import gzip
import hashlib
import importlib.metadata
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.pulumi_build import cache_home
from scripts.service_wheels import (
    OWN_NAME,
    SOURCE_DATE_EPOCH,
    BundleError,
    Pin,
    Report,
    file_hash,
    hashes_of,
    own_wheel,
    parse_pins,
    pinned_wheels,
    union,
)

__all__ = ["ARCHIVE", "MANIFEST", "BundleError", "build"]

FORMAT = 1
ROLES = ("gateway", "node")
CONVERGE = "converge"  # ansible-core, which applies the rest
PLAYBOOKS = "ansible"
ENGINE = "requirements/vllm.txt"  # its packages are too large for the bundle: images are baked with them
NOT_ON_NODES = ("README.md", "inventory", ".ansible", "__pycache__")
ARCHIVE = "bundle.tar.gz"
MANIFEST = "manifest.json"
STAMP = ".inputs.json"


@dataclass(frozen=True)
class Stamp:
    """What a finished bundle was made of, and how to tell that it still lies there as it was written."""

    inputs: str
    version: str
    archive_bytes: int
    archive_mtime_ns: int


def build(root: Path, out: Path, *, report: Report, environ: Mapping[str, str] | None = None) -> str:
    """Make sure that `out` holds the bundle of the sources in `root`; returns its version, 64 hex characters.

    Unchanged inputs: nothing is fetched or written. Wheels come from the user's cache or, the first time, from the
    package index that pip is configured for. Raises BundleError.
    """
    environ = os.environ if environ is None else environ
    inputs = _inputs(root)
    if finished := _finished(out, inputs):
        return finished
    sets = {name: parse_pins(root / "requirements" / f"{name}.txt") for name in (*ROLES, CONVERGE)}
    wheels = pinned_wheels(union(sets.values()), cache_home(environ), report=report, environ=environ)
    report(f"service bundle: packing {len(wheels) + 1} wheels")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pack-", dir=out) as temporary:
            own = own_wheel(root, Path(temporary), environ)
            version = _pack(out, Path(temporary), sets, wheels, own, playbooks(root), inputs)
    except OSError as error:
        raise BundleError(f"the service bundle cannot be written to {out}: {error.strerror}") from error
    report(f"service bundle: version {version[:12]}, {(out / ARCHIVE).stat().st_size / 1e6:.0f} MB")
    return version


def _inputs(root: Path) -> str:
    """A hash of everything that decides the bundle's bytes, this builder included."""
    service = root / "inference_service"
    here = Path(__file__).parent
    named = {f"requirements/{name}.txt": root / "requirements" / f"{name}.txt" for name in (*ROLES, CONVERGE)}
    named |= playbooks(root)
    named |= {"builder/bundle": here / "service_bundle.py", "builder/wheels": here / "service_wheels.py"}
    named |= {str(path.relative_to(root)): path for path in [service / "pyproject.toml", *service.rglob("*.py")]}
    digest = hashlib.sha256(f"{FORMAT} hatchling {importlib.metadata.version('hatchling')}\n".encode())
    for name in sorted(named):
        content = named[name].read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _finished(out: Path, inputs: str) -> str | None:
    """The version of the bundle in `out`, if it was made from these inputs and has not been touched since."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        stamp = Stamp(**json.loads((out / STAMP).read_text(encoding="utf-8")))
        archive = (out / ARCHIVE).stat()
        untouched = (archive.st_size, archive.st_mtime_ns) == (stamp.archive_bytes, stamp.archive_mtime_ns)
        if stamp.inputs == inputs and untouched and file_hash(out / MANIFEST) == stamp.version:
            return stamp.version
    return None


def playbooks(root: Path) -> dict[str, Path]:
    """Path in the bundle and file of all of `ansible/` that an instance needs, and of the pins that a role installs."""
    files = sorted(path for path in (root / PLAYBOOKS).rglob("*") if path.is_file())
    relative = {str(path.relative_to(root)): path for path in files}
    needed = {name: path for name, path in relative.items() if not set(Path(name).parts) & set(NOT_ON_NODES)}
    return needed | {ENGINE: root / ENGINE}


def _pack(
    out: Path,
    temporary: Path,
    sets: Mapping[str, list[Pin]],
    wheels: Mapping[Path, str],
    own: Path,
    configuration: Mapping[str, Path],
    inputs: str,
) -> str:
    every = {**wheels, own: file_hash(own)}
    files = {f"wheels/{wheel.name}": wheel for wheel in every} | dict(configuration)
    for name, pins in sets.items():
        files[f"requirements/{name}.txt"] = temporary / f"{name}.txt"
        ours = {own: every[own]} if name in ROLES else {}
        files[f"requirements/{name}.txt"].write_text(requirements(pins, wheels, ours), encoding="utf-8")
    archive = temporary / ARCHIVE
    _write_archive(archive, files)
    (temporary / MANIFEST).write_text(manifest(files, archive), encoding="utf-8")
    # The manifest is taken away first and written last: whoever finds one finds the archive that it describes.
    (out / MANIFEST).unlink(missing_ok=True)
    archive.replace(out / ARCHIVE)
    (temporary / MANIFEST).replace(out / MANIFEST)
    written = (out / ARCHIVE).stat()
    stamp = Stamp(inputs, file_hash(out / MANIFEST), written.st_size, written.st_mtime_ns)
    (out / STAMP).write_text(json.dumps(asdict(stamp)), encoding="utf-8")
    return stamp.version


def requirements(pins: list[Pin], wheels: Mapping[Path, str], own: Mapping[Path, str]) -> str:
    """The pins of one set, with the hashes of the bundled wheels alone, and our own wheel if it is given."""
    lines = [pin.line(hashes) for pin in pins if (hashes := hashes_of(pin, wheels))]
    ours = [f"{OWN_NAME}=={each.name.split('-')[1]} \\\n    --hash=sha256:{sha256}\n" for each, sha256 in own.items()]
    return "".join([*lines, *ours])


def manifest(files: Mapping[str, Path], archive: Path) -> str:
    """The manifest's text: no times and no paths of this machine, so the same files give the same version."""
    listed = [_entry(path, file) for path, file in sorted(files.items())]
    return json.dumps({"format": FORMAT, "archive": _entry(ARCHIVE, archive), "files": listed}, indent=1) + "\n"


def _entry(path: str, file: Path) -> dict[str, object]:
    return {"path": path, "bytes": file.stat().st_size, "sha256": file_hash(file)}


def _write_archive(archive: Path, files: Mapping[str, Path]) -> None:
    with _compressed(archive) as tar:
        for path, file in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mtime, member.mode = file.stat().st_size, int(SOURCE_DATE_EPOCH), 0o644
            with file.open("rb") as content:
                tar.addfile(member, content)


@contextlib.contextmanager
def _compressed(archive: Path) -> Iterator[tarfile.TarFile]:
    # Level 0: wheels are compressed already.
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=0, fileobj=raw, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        yield tar
