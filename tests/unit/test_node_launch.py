"""Launch and boot, measured by the first process of an instance alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inference_service.node.launch import is_first_process, launch_phases

STARTED = datetime(2026, 1, 1, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return STARTED - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("pending", "booted", "launch", "boot"),
    [
        (ago(40), ago(8).timestamp(), 32.0, 8.0),
        (ago(40), None, 40.0, None),  # nobody says when: all of it is the launch
        (None, ago(8).timestamp(), None, 8.0),
        (None, None, None, None),
        (ago(-5), ago(8).timestamp(), 0.0, 8.0),  # clocks that differ
        (ago(40), ago(-5).timestamp(), 45.0, 0.0),
    ],
)
def test_launch_ends_and_boot_begins_with_the_operating_system(
    pending: datetime | None, booted: float | None, launch: float | None, boot: float | None
) -> None:
    assert launch_phases(pending, booted, STARTED) == {"launch": launch, "boot": boot}


def test_an_instance_has_one_first_process_and_its_image_none(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert [is_first_process(data, each) for each in ("i-1", "i-1", "i-2", "i-2")] == [True, False, True, False]
