"""What the clients of a load know, summed up as they go. Pure."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from scripts.chaos.ledger import Entry

MOST_QUOTED = 5


@dataclass
class Tally:
    """Counts of finished requests. `open` ones are under way; `abandoned` were, when a person ended the load."""

    asked: int = 0
    answered: int = 0
    refused: int = 0  # nobody took it within the client's patience: 429 and 503, again and again
    lost: int = 0  # taken, and never answered
    cut: int = 0  # streams that ended early, though the gateway lived; asked again, most were answered
    reconnects: int = 0
    abandoned: int = 0
    unexpected: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)  # seconds to the first token, of all that got one
    longest_gap: float = 0.0

    @property
    def open(self) -> int:
        return self.asked - self.answered - self.refused - self.lost - self.abandoned

    def add(self, entry: Entry) -> None:
        """A request that has come to its end."""
        self.answered += bool(entry.answers)
        self.lost += entry.lost
        self.refused += not entry.accepted
        self.cut += entry.cut + entry.cut_unresumable
        self.reconnects += entry.reconnects
        self.unexpected.update(entry.unexpected)
        self.longest_gap = max(self.longest_gap, entry.longest_gap)
        if entry.first_token_seconds is not None:
            self.waits.append(entry.first_token_seconds)

    def wait(self, share: float) -> float | None:
        """Seconds within which this share of the answers had begun."""
        known = sorted(self.waits)
        return round(known[min(len(known) - 1, int(share * len(known)))], 3) if known else None

    def in_short(self) -> str:
        return f"{self.asked} asked, {self.answered} answered, {self.lost} lost, {self.refused} refused"

    def as_document(self) -> dict[str, Any]:
        shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
        return {
            "asked": self.asked,
            "answered": self.answered,
            "refused": self.refused,
            "lost": self.lost,
            "cut": self.cut,
            "reconnects": self.reconnects,
            "abandoned": self.abandoned,
            "first_token_seconds": {name: self.wait(share) for name, share in shares.items()},
            "longest_gap_seconds": round(self.longest_gap, 3),
            "unexpected": dict(self.unexpected.most_common(MOST_QUOTED)),
        }

    def problems(self) -> list[str]:
        """What must not be, in words: empty for a load of which nothing was lost."""
        found = [f"{name} is {count}, must be 0" for name in ("lost", "cut") if (count := getattr(self, name))]
        return [*found, *(f"{count} x {text}" for text, count in self.unexpected.most_common(MOST_QUOTED))]
