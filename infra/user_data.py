"""The script of an instance's first boot: fetch the service bundle, check it, install it without an index, start it.

cloud-init runs it once, as root (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html). The image brings
bash, curl 8 and Python 3.12 (Ubuntu 24.04); nothing is fetched from anywhere but the stack's own bucket.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from inference_service import contract

MOST_BYTES = 16 * 1024  # AWS refuses more, counted before base64: EC2 user guide, page above
TEMPLATE = Path(__file__).with_name("first_boot.sh")
STOP_MARGIN_SECONDS = 15  # from the end of draining to SIGKILL


class UserDataError(ValueError):
    """The script cannot carry these variables."""


@dataclass(frozen=True)
class Boot:
    """What differs between first boots: the role (contract.ROLE_*), its variables, and how long it may drain."""

    role: str
    variables: Mapping[str, str]
    drain_seconds: int


def render(boot: Boot) -> str:
    """The script as text.

    Raises:
        UserDataError: a value cannot be quoted for both bash and systemd, or the script is too long for EC2.
    """
    lines = [f"{name}={_quoted(name, value)}" for name, value in sorted(boot.variables.items())]
    text = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        variables="\n".join([contract.VARIABLES_BEGIN, *lines, contract.VARIABLES_END]),
        role=boot.role,
        services=contract.SERVICES_PREFIX.rstrip("/"),
        stop_seconds=boot.drain_seconds + STOP_MARGIN_SECONDS,
    )
    if (size := len(text.encode())) > MOST_BYTES:
        longest = max(boot.variables, key=lambda name: len(boot.variables[name]))
        raise UserDataError(f"user data of {size} bytes is above EC2's {MOST_BYTES}; the longest value is {longest}")
    return text


def _quoted(name: str, value: str) -> str:
    """Single quotes mean the same to bash and in systemd's EnvironmentFile, as long as the value holds none."""
    if "'" in value or not value.isprintable():
        raise UserDataError(f"{name}={value!r}: a value may hold neither single quotes nor control characters")
    return f"'{value}'"
