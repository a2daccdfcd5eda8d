"""Programs run here only against a local cloud."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from localcloud.places import FOLDER
from localcloud.provider.endpoint import loopback
from localcloud.provider.errors import RefusedError


def admit(environ: Mapping[str, str]) -> None:
    """Let a CLI pass whose backend and AWS are a local cloud's.

    Raises:
        RefusedError: the backend is not a file:// folder below `.warmfleet`, or the AWS endpoint not this machine.
    """
    url = environ.get("PULUMI_BACKEND_URL", "")
    parts = urlsplit(url)
    if parts.scheme != "file" or FOLDER not in Path(unquote(parts.path)).parts:
        has = f"PULUMI_BACKEND_URL is {url!r}" if url else "PULUMI_BACKEND_URL is not set"
        raise RefusedError(
            f"{has}, not a file:// folder below {FOLDER}: this language host is for the local cloud only; "
            'run `eval "$(warmfleet env)"` first, or install the official Pulumi CLI, which brings its own'
        )
    loopback(environ.get("AWS_ENDPOINT_URL", ""))
