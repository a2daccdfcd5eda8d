"""Which columns of a CSV are the time, a rate or counts of tokens: told by its header, else guessed from its times."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from scripts.simulator.moments import moment
from scripts.simulator.traces import Floats

RATES, REQUESTS = "rates", "requests"
UNITS = {
    **dict.fromkeys(("us", "micros", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("day", "days"), 86_400.0),
}
TIMES = {"timestamp", "datetime", "time", "t", "ts", "date"}
RATE_WORDS = {"rps", "qps", "tps", "rpm", "qpm", "tpm", "throughput"}
RATE_ENDINGS = ("rate", "persecond", "perminute")
PERIODS = {"s", "sec", "second", "m", "min", "minute", "h", "hour", "day"}
TOKEN_ENDINGS = ("token", "tokens")
PROMPTS = ("prompt", "input", "context", "prefill", "request")  # as a word begins: CONTEXTTOKENS has no seam
ANSWERS = ("output", "generat", "completion", "response", "answer", "decode")
EVEN_SHARE, EVEN_WITHIN = 0.5, 0.05  # of the steps, and around their median: rows at an even step, with holes
SERVEGEN_COLUMNS = 6


@dataclass(frozen=True)
class Form:
    """Where to look in a row. `unit_seconds` is 0 where the header does not tell it; `value` is None where each row is
    one request and no count is given; `guessed` where the header did not decide.
    """

    kind: str
    time: int = 0
    value: int | None = 1
    prompt: int | None = None
    unit_seconds: float = 0.0
    guessed: bool = False


def words(cell: str) -> list[str]:
    """The words of a column's name in lower case: GeneratedTokens, generated_tokens and `generated tokens` alike."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", cell)]


def is_header(cells: Sequence[str]) -> bool:
    return all(moment(cell) is None for cell in cells)


def time_column(header: Sequence[str] | None) -> tuple[int, float]:
    """Where the time is, and its unit in seconds, 0 where it is not told: the first column, unless only another is
    called a time.
    """
    if not header:
        return 0, 0.0
    named = [column for column, cell in enumerate(header) if _is_time(words(cell))]
    column = named[0] if named and not TIMES & set(words(header[0])) else 0
    return column, next((UNITS[word] for word in words(header[column]) if word in UNITS), 0.0)


def _is_time(named: Sequence[str]) -> bool:
    return "timestamp" in named or (len(named) == 1 and named[0] in TIMES)


def told_by_header(header: Sequence[str]) -> Form | None:
    """The form that a header names; None where it has neither a rate nor counts of tokens."""
    time, unit = time_column(header)
    others = [column for column in range(len(header)) if column != time and header[column]]
    rates = [column for column in others if _is_rate(header[column])]
    if rates:
        return Form(RATES, time, rates[0], None, unit)
    counts = [column for column in others if _is_count(header[column])]
    if counts:
        answer, prompt = _sizes(header, counts)
        return Form(REQUESTS, time, answer, prompt, unit)
    return None


def guessed(header: Sequence[str] | None, width: int, times: Floats) -> Form:
    """An even step means rates; an irregular one, or times that come twice, mean requests, whose last column counts
    the tokens of the answer and the one before it those of the prompt.
    """
    time, unit = time_column(header)
    others = [column for column in range(width) if column != time]
    if not others:
        return Form(REQUESTS, time, None, None, unit, guessed=True)
    if header is None and width == SERVEGEN_COLUMNS:
        return Form(RATES)
    if _even(times):
        return Form(RATES, time, others[0], None, unit, guessed=True)
    return Form(REQUESTS, time, others[-1], others[-2] if len(others) > 1 else None, unit, guessed=True)


def _even(times: Floats) -> bool:
    steps = np.diff(times)
    if not len(steps):
        return True
    middle = np.median(steps)
    alike = np.abs(steps - middle) <= EVEN_WITHIN * abs(middle)
    return bool(alike.mean() > EVEN_SHARE and not (steps == 0).any())


def _is_rate(cell: str) -> bool:
    named = words(cell)
    per = any(one == "per" and other in PERIODS for one, other in pairwise(named))
    divided = re.search(r"/\s*(s|sec|second|m|min|minute|h|hour)\b", cell.lower())
    return per or bool(divided) or bool(RATE_WORDS & set(named)) or any(word.endswith(RATE_ENDINGS) for word in named)


def _is_count(cell: str) -> bool:
    """Of tokens: `requests` alone may count anything."""
    sided = _begins(cell, (*PROMPTS[:-1], *ANSWERS))
    return sided or any(word.endswith(TOKEN_ENDINGS) for word in words(cell))


def _sizes(header: Sequence[str], counts: Sequence[int]) -> tuple[int, int | None]:
    """The columns of answer and prompt; one that only adds them up is neither."""
    parts = [column for column in counts if not _begins(header[column], ("total",))] or list(counts)
    answer = next((column for column in parts if _begins(header[column], ANSWERS)), parts[-1])
    rest = [column for column in parts if column != answer]
    prompt = next((column for column in rest if _begins(header[column], PROMPTS)), rest[-1] if rest else None)
    return answer, prompt


def _begins(cell: str, beginnings: tuple[str, ...]) -> bool:
    return any(word.startswith(beginnings) for word in words(cell))
