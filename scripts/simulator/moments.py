"""Times as files write them: seconds from a start or since 1970, other units, or ISO 8601."""

import math
from datetime import UTC, datetime

EPOCH_FROM_SECONDS = 1e8  # March 1973: a later time counts since 1970, an earlier one from the start of a recording
EPOCH_UNITS = ((1e17, 1e-9, "nanoseconds"), (1e14, 1e-6, "microseconds"), (1e11, 1e-3, "milliseconds"))


def number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def moment(text: str) -> float | None:
    """Seconds: a number as it is, ISO 8601 since 1970 (UTC where no zone is told); else None."""
    told = number(text)
    if told is not None:
        return told
    try:
        found = datetime.fromisoformat(text.strip())  # digits beyond microseconds, as Azure writes them, are cut off
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def is_epoch(seconds: float) -> bool:
    return seconds >= EPOCH_FROM_SECONDS


def epoch_unit(first: float) -> tuple[float, str]:
    """The length of the unit in seconds, and its name, of a first time without one: 1e11 s would be the year 5138."""
    return next(((length, name) for least, length, name in EPOCH_UNITS if first >= least), (1.0, "seconds"))


def told(seconds: float) -> str:
    """A time for people, as 660 s or 2026-01-01T00:11:00Z."""
    if not is_epoch(seconds) or seconds > 1e11:
        return f"{seconds:g} s"
    return datetime.fromtimestamp(round(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(begin: float, end: float) -> str:
    """Two times for people, as 180-600 s."""
    return f"{told(begin)} to {told(end)}" if is_epoch(begin) else f"{begin:.0f}-{end:.0f} s"
