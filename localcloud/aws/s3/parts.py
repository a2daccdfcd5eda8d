"""Checksums of an upload in parts: each part's is given twice, with the part and at the end.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from collections.abc import Mapping
from typing import Any

import xmltodict  # type: ignore[import-untyped]  # moto brings it

from localcloud.aws.s3.checksums import ALGORITHMS, SentChecksum

INVALID_PART = (
    "InvalidPart",
    "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified "
    "entity tag may not match the part's entity tag.",
)


def wanted_algorithm(upload: Any) -> str | None:
    """The algorithm that every part of moto's `upload` has to bring; None where S3 does not ask for it."""
    algorithm = str(upload.metadata.get("x-amz-checksum-algorithm") or "")
    whole = upload.metadata.get("x-amz-checksum-type") == "FULL_OBJECT"
    return algorithm if algorithm in ALGORITHMS and not whole else None


def part_problem(wanted: str | None, sent: SentChecksum | None) -> tuple[str, str] | None:
    """S3's error code and message for a part whose checksum is of another kind than the upload's."""
    if wanted is None or sent is None or sent.algorithm == wanted:
        return None
    kinds = f"expected checksum Type: {wanted.lower()}, actual checksum Type: {sent.algorithm.lower()}"
    return "InvalidRequest", f"Checksum Type mismatch occurred, {kinds}"


def completion_problem(wanted: str, stored: Mapping[int, str | None], body: bytes) -> tuple[str, str] | None:
    """S3's error code and message where the list of parts lacks a checksum or has another one than was stored."""
    parts = xmltodict.parse(body, force_list=("Part",))["CompleteMultipartUpload"].get("Part", [])
    for part in parts:
        number, given = int(part["PartNumber"]), part.get(f"Checksum{wanted}")
        if given is None:
            return "InvalidRequest", (
                f"The upload was created using a {wanted.lower()} checksum. The complete request must include the "
                f"checksum for each part. It was missing for part {number} in the request."
            )
        if stored.get(number) not in (None, given):
            return INVALID_PART
    return None
