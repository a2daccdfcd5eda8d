"""The wheels that a node or gateway installs: our own, built here, and the pinned ones, fetched once into the cache.

Pinned wheels are fetched for the Pythons of the images that we boot (Ubuntu 24.04: 3.12, Debian 12: 3.11), whatever
Python runs here.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from scripts import children

TARGET_PYTHONS = ("3.11", "3.12")
# pip takes these names literally, so each glibc level in use is listed. Debian 12 has glibc 2.36.
TARGET_PLATFORMS = (
    "manylinux_2_34_x86_64",
    "manylinux_2_28_x86_64",
    "manylinux_2_24_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux_2_12_x86_64",
    "manylinux2010_x86_64",
    "manylinux_2_5_x86_64",
    "manylinux1_x86_64",
)
SOURCE_DATE_EPOCH = "1577836800"  # 2020-01-01: the time of every file in our wheel, which must not depend on the clock
OWN_NAME = "warmfleet-inference-service"

Report = Callable[[str], None]


class BundleError(Exception):
    """The service bundle cannot be built; the text says why and names the remedy."""


@dataclass(frozen=True)
class Pin:
    """One line of a requirements file: exact version and the hashes allowed for it."""

    name: str
    version: str
    marker: str
    hashes: frozenset[str]

    def line(self, hashes: Iterable[str] | None = None, *, marker: bool = True) -> str:
        """The requirement as pip reads it, by default with every hash."""
        condition = f" ; {self.marker}" if self.marker and marker else ""
        pins = "".join(f" \\\n    --hash=sha256:{each}" for each in sorted(self.hashes if hashes is None else hashes))
        return f"{self.name}=={self.version}{condition}{pins}\n"

    def wanted_on(self, python: str) -> bool:
        """Whether a Linux node with this Python ("3.12") installs it. pip itself would ask the Python that runs pip."""
        requirement = Requirement(f"{self.name}=={self.version}" + (f" ; {self.marker}" if self.marker else ""))
        node = {
            "python_version": python,
            "python_full_version": f"{python}.0",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "os_name": "posix",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": "x86_64",
        }
        return requirement.marker is None or requirement.marker.evaluate(node)


def parse_pins(path: Path) -> list[Pin]:
    """Raises BundleError for a line that is not `name==version`, or has no hash."""
    pins = []
    text = re.sub(r"(?m)^\s*#.*\n", "", path.read_text(encoding="utf-8")).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        head, *options = re.split(r"\s--hash=sha256:", line)
        requirement, _, marker = head.partition(";")
        found = re.fullmatch(r"([\w.-]+)==(\S+)", requirement.strip())
        if not found or not options or not all(re.fullmatch(r"[0-9a-f]{64}\s*", option) for option in options):
            raise BundleError(f"{path}: {line[:60]!r} is not pinned by version and hash; run: make requirements")
        hashes = frozenset(map(str.strip, options))
        pins.append(Pin(str(canonicalize_name(found[1])), found[2], marker.strip(), hashes))
    return pins


def union(sets: Iterable[list[Pin]]) -> list[Pin]:
    """Every pin once. Raises BundleError when two sets want different versions: node and gateway share their wheels."""
    merged: dict[str, Pin] = {}
    for pin in (pin for pins in sets for pin in pins):
        if merged.setdefault(pin.name, pin) != pin:
            raise BundleError(f"{pin.name} is pinned differently for nodes and gateways; run: make requirements")
    return [merged[name] for name in sorted(merged)]


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes_of(pin: Pin, wheels: Mapping[Path, str]) -> list[str]:
    """The hashes of those wheels that are of this pin."""
    return [sha256 for wheel, sha256 in wheels.items() if _name_and_version(wheel) == (pin.name, pin.version)]


def _name_and_version(wheel: Path) -> tuple[str, str]:
    name, version, _, _ = parse_wheel_filename(wheel.name)
    return str(name), str(version)


def pinned_wheels(pins: list[Pin], cache: Path, *, report: Report, environ: Mapping[str, str]) -> dict[Path, str]:
    """Each wheel and its SHA-256, from `cache` or, the first time, from the package index. Raises BundleError."""
    text = "".join(pin.line() for pin in pins)
    key = hashlib.sha256("\n".join([text, *TARGET_PYTHONS, *TARGET_PLATFORMS]).encode()).hexdigest()
    folder = cache / "wheels" / key[:16]
    if folder.is_dir():
        wheels = _hashed(folder)
        if _sound(pins, wheels):
            return wheels
        report("service bundle: the cached wheels differ from their pins; fetching them again")
        shutil.rmtree(folder)
    _fetch(pins, folder, report, environ)
    wheels = _hashed(folder)
    if not _sound(pins, wheels):
        raise BundleError(
            f"the wheels in {folder} are not what requirements/*.txt pin; remove that folder and try again"
        )
    return wheels


def _hashed(folder: Path) -> dict[Path, str]:
    return {wheel: file_hash(wheel) for wheel in sorted(folder.glob("*.whl"))}


def _sound(pins: list[Pin], wheels: Mapping[Path, str]) -> bool:
    """Every pin has a wheel where it is wanted, and no wheel is there that no pin allows."""
    allowed = frozenset().union(*(pin.hashes for pin in pins))
    wanted = [pin for pin in pins if any(pin.wanted_on(python) for python in TARGET_PYTHONS)]
    return all(hashes_of(pin, wheels) for pin in wanted) and set(wheels.values()) <= allowed


def _fetch(pins: list[Pin], folder: Path, report: Report, environ: Mapping[str, str]) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder.parent) as temporary:
            for python in TARGET_PYTHONS:
                _download([pin for pin in pins if pin.wanted_on(python)], python, Path(temporary), report, environ)
            Path(temporary, "wheels").rename(folder)
    except OSError as error:
        if not folder.is_dir():  # else another process was faster
            raise BundleError(
                f"the wheels cannot be stored in {folder.parent}: {error.strerror}; set XDG_CACHE_HOME"
            ) from error


def _download(pins: list[Pin], python: str, folder: Path, report: Report, environ: Mapping[str, str]) -> None:
    requirements = folder / f"python-{python}.txt"
    requirements.write_text("".join(pin.line(marker=False) for pin in pins), encoding="utf-8")
    platforms = [word for platform in TARGET_PLATFORMS for word in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--require-hashes", "--only-binary", ":all:", "--no-deps", "--implementation", "cp"]
    command += [
        "--python-version",
        python,
        *platforms,
        "--dest",
        str(folder / "wheels"),
        "--requirement",
        str(requirements),
    ]
    done = 0
    said: list[str] = []
    with children.started(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            said.append(line.strip())
            if line.startswith("Collecting "):
                done += 1
                report(f"service bundle: fetching wheels for Python {python}: {done} of {len(pins)}")
        pip.wait()
    if pip.returncode != 0:
        raise BundleError(download_failure(said, python))


def download_failure(said: list[str], python: str) -> str:
    """One sentence with the remedy, from what pip printed."""
    text = "\n".join(said)
    if "No space left on device" in text:
        return "no disk space for the service bundle's wheels; free some, or set XDG_CACHE_HOME to another disk"
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in text:
        return f"the package index serves other files than requirements/*.txt pin; do not use them: {_errors(said)}"
    if re.search(r"NewConnectionError|ConnectTimeout|NameResolution|ReadTimeout|ProxyError|SSLError|Connection", text):
        return "no package index can be reached for the service bundle's wheels; check the network or pip's settings"
    return f"no wheel for Python {python} on Linux x86-64: {_errors(said)}; pin a version that has one"


def _errors(said: list[str]) -> str:
    return next((line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")), said[-1] if said else "")


def own_wheel(root: Path, folder: Path, environ: Mapping[str, str]) -> Path:
    """Build our own wheel into `folder`, offline; the same sources give the same bytes. Raises BundleError."""
    built = children.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder.resolve())],
        cwd=root / "inference_service",
        env={**environ, "SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH},
    )
    wheels = list(folder.glob("*.whl"))
    if built.returncode != 0 or len(wheels) != 1:
        raise BundleError(f"the wheel of inference_service cannot be built: {built.stderr.strip()}")
    return wheels[0]
