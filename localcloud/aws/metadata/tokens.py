"""Session tokens of IMDSv2.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
"""

import threading
from collections.abc import Callable

SHORTEST_SECONDS = 1
LONGEST_SECONDS = 21_600


class Tokens:
    """Tokens and the instance that each was given to; `now` counts cloud seconds, `new` makes unguessable text."""

    def __init__(self, now: Callable[[], float], new: Callable[[], str]) -> None:
        self._now = now
        self._new = new
        self._lock = threading.Lock()
        self._given: dict[str, tuple[str, float]] = {}  # token -> instance id, end

    def give(self, instance_id: str, seconds: int) -> str:
        """A token for this instance, valid for `seconds` (1 to 21,600, which the caller has checked)."""
        now, token = self._now(), self._new()
        with self._lock:
            self._given = {each: given for each, given in self._given.items() if given[1] > now}
            self._given[token] = (instance_id, now + seconds)
        return token

    def seconds_left(self, instance_id: str, token: str | None) -> float:
        """How long the token remains valid for this instance; 0 for an unknown, expired or foreign one."""
        owner, end = self._given.get(token or "", ("", 0.0))
        return max(0.0, end - self._now()) if owner == instance_id else 0.0
