"""How many instances an instance refresh may end and launch now, as functions of numbers.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RefreshPreferences.html (both percentages)
"""

import math


def bounds(desired: int, least_percent: int, most_percent: int | None) -> tuple[int, int]:
    """The fewest instances that have to be ready, and the most that may be there at once.

    Where both leave no room to replace even one: a maximum that was given yields (launch first), one that was left
    out lets the minimum yield (terminate and launch at the same time).
    """
    floor = math.ceil(desired * least_percent / 100)
    ceiling = desired if most_percent is None else math.floor(desired * most_percent / 100)
    if desired == 0 or floor < ceiling:
        return floor, ceiling
    return (floor, desired + 1) if most_percent is not None else (desired - 1, ceiling)


def ahead(desired: int, ceiling: int, outdated: int) -> int:
    """How many replacements to launch before what they replace ends."""
    return max(0, min(ceiling - desired, outdated))


def may_end(ready: int, floor: int, outdated: int) -> int:
    """How many instances that serve may be ended now."""
    return max(0, min(ready - floor, outdated))


def percentage(total: int, left: int) -> int:
    """How much is done when `left` of `total` instances are not replaced by ready ones yet."""
    return 100 if total == 0 else max(0, math.floor(100 * (total - left) / total))
