"""Checksums that a client sends with an object or a part.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
"""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

PREFIX = "x-amz-checksum-"
# CRC32C and CRC64NVME would need a further package (awscrt); boto3 without it sends CRC32.
ALGORITHMS: Mapping[str, Callable[[bytes], bytes]] = {
    "SHA256": lambda body: hashlib.sha256(body).digest(),
    "SHA1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "CRC32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
}
TRAILER_BYTES = 1024  # the end of an aws-chunked body, where header fields may follow


@dataclass(frozen=True)
class SentChecksum:
    """A checksum as it was sent; `value` is meant to be base64."""

    algorithm: str
    value: str

    @property
    def header(self) -> str:
        return PREFIX + self.algorithm.lower()

    def problem(self, body: bytes) -> tuple[str, str] | None:
        """S3's error code and message where the checksum is not the body's, else None."""
        compute = ALGORITHMS[self.algorithm]
        try:
            value = base64.b64decode(self.value, validate=True)
        except binascii.Error:
            value = b""
        if len(value) != len(compute(b"")):
            return "InvalidRequest", f"Value for {self.header} header is invalid."
        if value != compute(body):
            return "BadDigest", f"The {self.algorithm} you specified did not match the calculated checksum."
        return None


def sent_checksum(headers: Mapping[str, str], raw_body: bytes) -> SentChecksum | None:
    """The checksum in the header, or after an aws-chunked body; None without one of an algorithm computed here.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
    """
    for algorithm in ALGORITHMS:
        if value := headers.get(PREFIX + algorithm.lower()):
            return SentChecksum(algorithm, value)
    trailer = headers.get("x-amz-trailer", "").strip().lower()
    algorithm = trailer.removeprefix(PREFIX).upper()
    if algorithm not in ALGORITHMS:
        return None
    found = re.findall(rb"\r?\n" + trailer.encode() + rb":([^\r\n]*)", raw_body[-TRAILER_BYTES:])
    return SentChecksum(algorithm, found[-1].decode().strip()) if found else None
