"""How much load there is when, as a person writes it: 0:60,10:180,0:120. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.exit_codes import USAGE, CommandError

MOST_SECONDS = 86_400.0


@dataclass(frozen=True)
class Segment:
    """`level` of clients, or of requests a second, for `seconds`."""

    level: float
    seconds: float


@dataclass(frozen=True)
class Profile:
    """Segments one after another, from second 0 on."""

    segments: tuple[Segment, ...]

    @property
    def seconds(self) -> float:
        return sum(each.seconds for each in self.segments)

    def level(self, at_seconds: float) -> float:
        """What is wanted then; nothing after the end."""
        for each in self.segments:
            if at_seconds < each.seconds:
                return each.level
            at_seconds -= each.seconds
        return 0.0

    def arrivals(self) -> Iterator[float]:
        """Evenly spaced moments of requests, where the levels are requests a second."""
        start, before, number = 0.0, 0.0, 0  # `before` counts the requests of the segments that are over
        for each in self.segments:
            until = before + each.level * each.seconds
            while number < until:
                yield start + (number - before) / each.level
                number += 1
            start, before = start + each.seconds, until


def parsed(option: str, text: str, most: float, *, whole: bool) -> Profile:
    """The profile of an option's text; levels from 0 to `most`.

    Raises:
        CommandError: with the part that is wrong, and what it may be.
    """
    segments = tuple(_segment(option, part.strip(), most, whole) for part in text.split(","))
    profile = Profile(segments)
    if profile.seconds > MOST_SECONDS:
        raise CommandError(f"{option} lasts {profile.seconds:g} s; a day, {MOST_SECONDS:g} s, is the longest", USAGE)
    if not any(each.level for each in segments):
        raise CommandError(f"{option} {text} asks for nothing; give one segment more than 0, as in 10:60", USAGE)
    return profile


def _segment(option: str, part: str, most: float, whole: bool) -> Segment:
    level_text, colon, seconds_text = part.partition(":")
    try:
        level, seconds = float(level_text), float(seconds_text)
    except ValueError:
        level = seconds = math.nan
    number = "whole number" if whole else "number"
    if not colon or not 0 <= level <= most or (whole and level != int(level)):
        raise CommandError(
            f"{option}: {part!r} is no segment; LEVEL:SECONDS is, with a {number} from 0 to {most:g}, as in "
            "0:60,10:180,0:120",
            USAGE,
        )
    if not 0 < seconds <= MOST_SECONDS:
        raise CommandError(f"{option}: {part!r} lasts {seconds_text} s; above 0 and at most a day is possible", USAGE)
    return Segment(level, seconds)
