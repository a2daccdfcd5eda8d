"""Which requests leave memory to give back."""

import pytest

from localcloud.aws.memory import is_large


@pytest.mark.parametrize(
    ("url", "length", "large"),
    [
        ("/bucket/key", "98362432", True),
        ("/bucket/key?uploadId=a&partNumber=1", "17", True),
        ("/bucket/key?uploadId=a", None, True),
        ("/bucket/uploadId", "17", False),
        ("/", "900", False),
        ("/", None, False),
    ],
)
def test_large_bodies_and_joined_parts_leave_memory_behind(url: str, length: str | None, large: bool) -> None:
    assert is_large(url, length) is large
