"""What the clients know: each request, what became of it, and the sums. Pure.

The client's own ledger is the only witness, as in Jepsen's queue tests
(https://github.com/jepsen-io/jepsen, checker/total-queue): what a service says about itself does not count.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Entry:
    """One request. `accepted`: sent, and not refused with 4xx, 429 or 503."""

    key: str
    expected: str
    stream: bool
    again: bool = False  # to be asked once more when it has its answer, with the same key
    asked_again: bool = False
    accepted: bool = False
    answers: list[str] = field(default_factory=list)  # complete ones; the first one given again is none
    unexpected: list[str] = field(default_factory=list)  # statuses and codes that no client should see
    cut: int = 0  # streams that ended without [DONE] although their gateway lived
    cut_unresumable: int = 0  # of those nobody could have gone on with: no other node was warm
    reconnects: int = 0  # because a gateway was gone, or had told a client to wait and then turned it away
    turned_away: list[str] = field(default_factory=list)  # codes of streams that were ended before their first token
    longest_gap: float = 0.0  # seconds between two tokens of one stream
    first_token_seconds: float | None = None  # from the first attempt to the first token of a stream

    @property
    def lost(self) -> bool:
        return self.accepted and not self.answers


@dataclass(frozen=True)
class Counts:
    """Sums over one scenario, or over all. Durations in seconds; None: nothing of that kind happened."""

    requests: int = 0
    jobs: int = 0
    accepted: int = 0
    answered: int = 0
    refused: int = 0
    asked_again: int = 0
    lost: int = 0
    duplicated: int = 0
    unexpected: int = 0
    cut: int = 0
    cut_unresumable: int = 0
    client_reconnects: int = 0
    resumed: int = 0
    text_mismatches: int = 0
    longest_gap_seconds: float = 0.0
    notice_to_unready_seconds: float | None = None
    notice_to_gone_seconds: float | None = None


def counts(
    entries: Sequence[Entry], resumed: int, unready: float | None = None, gone: float | None = None, *, jobs: int = 0
) -> Counts:
    """Sum up one scenario; `jobs` of the entries are jobs."""
    return Counts(
        requests=len(entries) - jobs,
        jobs=jobs,
        accepted=sum(each.accepted for each in entries),
        answered=sum(bool(each.answers) for each in entries),
        refused=sum(not each.accepted for each in entries),
        asked_again=sum(each.asked_again for each in entries),
        lost=sum(each.lost for each in entries),
        duplicated=sum(max(0, len(each.answers) - 1) for each in entries),
        unexpected=sum(len(each.unexpected) for each in entries),
        cut=sum(each.cut for each in entries),
        cut_unresumable=sum(each.cut_unresumable for each in entries),
        client_reconnects=sum(each.reconnects for each in entries),
        resumed=resumed,
        text_mismatches=sum(answer != each.expected for each in entries for answer in each.answers),
        longest_gap_seconds=round(max((each.longest_gap for each in entries), default=0.0), 3),
        notice_to_unready_seconds=None if unready is None else round(unready, 3),
        notice_to_gone_seconds=None if gone is None else round(gone, 3),
    )


def totals(scenarios: Iterable[Counts]) -> Counts:
    """Sums, and of durations the longest."""
    rows = [asdict(each) for each in scenarios]
    names = rows[0] if rows else {}
    joined: dict[str, Any] = {name: _joined(name, [row[name] for row in rows]) for name in names}
    return Counts(**joined)


def _joined(name: str, values: list[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    if name.endswith("_seconds"):
        return max(known) if known else None
    return sum(known)


def failures(found: Counts, most_unready_seconds: float, most_gone_seconds: float) -> list[str]:
    """What must not be, in words: empty for a run that lost nothing."""
    zero = ("lost", "duplicated", "cut", "unexpected", "text_mismatches", "refused")
    problems = [f"{name} is {value}, must be 0" for name in zero if (value := getattr(found, name))]
    unready, gone = found.notice_to_unready_seconds, found.notice_to_gone_seconds
    if unready is not None and unready > most_unready_seconds:
        problems.append(f"a node was unready {unready:g} s after its notice; {most_unready_seconds:g} s are allowed")
    if gone is not None and gone > most_gone_seconds:
        problems.append(f"a node was gone {gone:g} s after its notice; {most_gone_seconds:g} s are allowed")
    return problems
