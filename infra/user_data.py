"""The scripts that instances run once: fetch the service bundle, check it, and apply a playbook that is in it.

cloud-init runs it once, as root (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html). The image brings
bash, curl 8 and Python 3.12 (Ubuntu 24.04); nothing is fetched from anywhere but the stack's own bucket. What the
script relies on:

- S3 takes path-style requests: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
- S3 wants x-amz-content-sha256, and every x-amz- header signed; curl signs all headers that it is given:
  https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, https://curl.se/docs/manpage.html
- systemd reads single quotes in an EnvironmentFile as bash does:
  https://man7.org/linux/man-pages/man5/systemd.exec.5.html
- `python -m ansible playbook` is ansible-playbook: ansible-core has it since 2.10, for where no script is on PATH.
- pip installs with --target even where Python is managed by the distribution:
  https://packaging.python.org/en/latest/specifications/externally-managed-environments/
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from types import MappingProxyType

from inference_service import contract

MOST_BYTES = 16 * 1024  # AWS refuses more, counted before base64: EC2 user guide, page above
FOLDER = Path(__file__).parent
FIRST_BOOT, BAKE, BUNDLE = "first_boot.sh", "bake.sh", "bundle.sh"
PROGRAMS = FOLDER.parent / "ansible" / "roles" / "service" / "files"
# What the builder of an image says on its console, before the version of the service bundle.
BAKED, BAKING_FAILED = "warmfleet-image: baked", "warmfleet-image: failed"
MOST_BAKING_SECONDS = 3600


class UserDataError(ValueError):
    """The script cannot carry these variables."""


class _Script(Template):
    """A template in which "$" stays the shell's: the placeholders are @{name}."""

    delimiter = "@"


@dataclass(frozen=True)
class Places:
    """Folders on the instance, and its Python; absolute paths of letters that bash and systemd leave alone."""

    configuration: str = "/etc/warmfleet"
    home: str = "/opt/warmfleet"
    python: str = "/usr/bin/python3"


@dataclass(frozen=True)
class Boot:
    """What differs between first boots: the role (contract.ROLE_*) and its variables."""

    role: str
    variables: Mapping[str, str]


def render(boot: Boot, places: Places = Places()) -> str:
    """The script of a first boot.

    Raises:
        UserDataError: a value cannot be quoted for both bash and systemd, or the script is too long for EC2.
    """
    return _script(FIRST_BOOT, boot, places)


def render_builder(boot: Boot, places: Places = Places()) -> str:
    """The script of an instance that becomes an image. Raises UserDataError, as `render`."""
    limits = {"baked": BAKED, "failed": BAKING_FAILED, "most_seconds": str(MOST_BAKING_SECONDS)}
    return _script(BAKE, boot, places, limits)


def _script(name: str, boot: Boot, places: Places, more: Mapping[str, str] = MappingProxyType({})) -> str:
    lines = [f"{name}={_quoted(name, value)}" for name, value in sorted(boot.variables.items())]
    values = {
        "variables": "\n".join([contract.VARIABLES_BEGIN, *lines, contract.VARIABLES_END]),
        "role": boot.role,
        "services": contract.SERVICES_PREFIX.rstrip("/"),
        "unpack_bundle": _program("unpack_bundle"),
        "install_release": _program("install_release"),
        **asdict(places),
        **more,
    }
    text = _filled(name, {**values, "bundle": _filled(BUNDLE, values).rstrip("\n")})
    if (size := len(text.encode())) > MOST_BYTES:
        longest = max(boot.variables, key=lambda name: len(boot.variables[name]))
        raise UserDataError(f"user data of {size} bytes is above EC2's {MOST_BYTES}; the longest value is {longest}")
    return text


def _filled(name: str, values: Mapping[str, str]) -> str:
    return _Script((FOLDER / name).read_text(encoding="utf-8")).substitute(values)


def _program(name: str) -> str:
    return (PROGRAMS / f"{name}.py").read_text(encoding="utf-8").rstrip("\n")


def _quoted(name: str, value: str) -> str:
    """Single quotes mean the same to bash and in systemd's EnvironmentFile, as long as the value holds none."""
    if "'" in value or not value.isprintable():
        raise UserDataError(f"{name}={value!r}: a value may hold neither single quotes nor control characters")
    return f"'{value}'"
