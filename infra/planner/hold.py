"""Scale-in waits: what was wanted within the last two warm-ups is likely to be wanted again before it could be bought
anew.

Ski rental: keeping a replica for as long as buying it again would take costs at most twice what the best choice does.
"""

from dataclasses import dataclass, field

HOLD_WARM_UPS = 2.0


@dataclass
class Hold:
    """`wanted` has (minute, replicas) of each pool: the wishes within the hold that no later one reached."""

    wanted: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def copy(self) -> "Hold":
        return Hold({name: list(values) for name, values in self.wanted.items()})

    def held(self, pool: str, minute: int, wanted: int, owned: int, warm_up_minutes: float) -> int:
        """What to ask for: the wish, or what is owned, as far as it was wanted of late. Buys nothing by itself."""
        since = minute - int(HOLD_WARM_UPS * warm_up_minutes)
        values = [(at, count) for at, count in self.wanted.get(pool, []) if at > since and count > wanted]
        self.wanted[pool] = [*values, (minute, wanted)]
        most = max(count for _, count in self.wanted[pool])
        return max(wanted, min(most, owned))
