"""The one kind of AWS endpoint that the local cloud's parts work with."""

import ipaddress
from urllib.parse import urlsplit

from localcloud.provider.errors import RefusedError


def loopback(endpoint_url: str) -> str:
    """The endpoint unchanged, if it is on this machine.

    Raises:
        RefusedError: it is not a plain http:// address in 127.0.0.0/8.
    """
    parts = urlsplit(endpoint_url)
    try:
        on_this_machine = ipaddress.IPv4Address(parts.hostname or "").is_loopback
    except ValueError:
        on_this_machine = False
    if parts.scheme != "http" or not on_this_machine:
        raise RefusedError(
            f"the endpoint {endpoint_url!r} is not http://127.…: the local cloud works on this machine only; "
            'run `eval "$(warmfleet env)"` first, or for AWS use the official Pulumi CLI with its own plugins'
        )
    return endpoint_url
