"""How long a client is ready to wait, and for what: headers of its request, each up to a limit of the gateway."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from inference_service import contract
from inference_service.gateway.errors import ApiError

LEAST_CONNECT_SECONDS, LONGEST_CONNECT_SECONDS = 0.5, 30.0
LEAST_SILENCE_SECONDS = 15.0  # a node that holds an answer back sends a comment every 10 s
LONGEST_SILENCE_SECONDS = 600.0
LONGEST_TOTAL_SECONDS = 3600.0


@dataclass(frozen=True)
class Patience:
    """Seconds; None where the client names none. `begin`: for a warm node and the answer's beginning together."""

    begin: float | None = None
    connect: float | None = None
    silence: float | None = None
    total: float | None = None


def read(headers: Mapping[str, str], longest_wait: float) -> Patience:
    """What the headers say, each brought within its bounds.

    Raises:
        ApiError: 400, naming every header that is not a number of seconds.
    """
    bounds = {
        contract.HEADER_DEADLINE: (0.0, longest_wait),
        contract.HEADER_CONNECT_TIMEOUT: (LEAST_CONNECT_SECONDS, LONGEST_CONNECT_SECONDS),
        contract.HEADER_SILENCE_TIMEOUT: (LEAST_SILENCE_SECONDS, LONGEST_SILENCE_SECONDS),
        contract.HEADER_TOTAL_TIMEOUT: (0.0, LONGEST_TOTAL_SECONDS),
    }
    given = {name: headers[name] for name in bounds if name in headers}
    found = {name: _seconds(raw, zero=name == contract.HEADER_DEADLINE) for name, raw in given.items()}
    wrong = [name for name, seconds in found.items() if seconds is None]
    if wrong:
        texts = [f"{name} is {given[name][:40]!r}; a number of seconds {_from(name)} is needed." for name in wrong]
        raise ApiError(400, " ".join(texts), param=wrong[0])
    return Patience(*(_within(found.get(name), *both) for name, both in bounds.items()))


def _within(asked: float | None, least: float, most: float) -> float | None:
    return None if asked is None else max(least, min(asked, most))


def _seconds(raw: str, *, zero: bool) -> float | None:
    try:
        seconds = float(raw)
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf and (seconds or zero) else None


def _from(name: str) -> str:
    return "from 0" if name == contract.HEADER_DEADLINE else "above 0"
