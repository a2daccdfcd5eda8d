"""Gives memory back to the system after large requests: glibc keeps what it has freed for the next one."""

import ctypes
from urllib.parse import parse_qs, urlsplit

LARGE_BYTES = 1 << 20


def is_large(url: str, content_length: str | None) -> bool:
    """Whether a request has moved a large object: in its body, or by joining the parts of an upload."""
    return int(content_length or 0) >= LARGE_BYTES or "uploadId" in parse_qs(urlsplit(url).query)


def give_back() -> None:
    """malloc_trim(3); does nothing where the C library has none."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)
