"""Reads a service's variables, once, and finds everything that is wrong with them at once."""

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any


class SettingsError(Exception):
    """Everything that is wrong with the environment."""


class EnvironmentReader:
    """Collects values and problems; `finish` raises when there is one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: list[str] = []

    def given(self, name: str, read: Callable[[str], Any], *, optional: bool = True) -> Any:
        """The variable's value; None where it is absent or wrong: a wrong one is a problem, a needed absent one too."""
        raw = self._environ.get(name, "")
        if not raw:
            if not optional:
                self._problems.append(f"{name} is missing")
            return None
        try:
            return read(raw)
        except ValueError as error:
            self._problems.append(f"{name}={raw!r}: {error}")
            return None

    def finish(self, service: str) -> None:
        """Raises SettingsError if anything was wrong."""
        if self._problems:
            raise SettingsError(f"the {service} cannot start:\n" + "\n".join(f"  {each}" for each in self._problems))


def loopback(address: str) -> bool:
    """Whether only this machine can connect to what listens there."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def whole(raw: str) -> int:
    """A whole number from 0; ValueError says so."""
    if not raw.isdecimal():
        raise ValueError("a whole number from 0 is needed")
    return int(raw)


def count(raw: str) -> int:
    """A whole number from 1; ValueError says so."""
    if (value := whole(raw)) < 1:
        raise ValueError("a whole number from 1 is needed")
    return value


def port(raw: str) -> int:
    """A TCP port; 0 means any free one. ValueError otherwise."""
    if not raw.isdecimal() or int(raw) > 65535:
        raise ValueError("a port from 0 (any free one) to 65535 is needed")
    return int(raw)


def seconds(raw: str) -> float:
    """A duration; ValueError if it is negative or endless."""
    value = float(raw)
    if not 0 <= value < 1e9:
        raise ValueError("a number of seconds from 0 is needed")
    return value


def moment(raw: str) -> float:
    """A time in Unix seconds; ValueError if it is none."""
    value = float(raw)
    if not 0 < value < 1e11:
        raise ValueError("a time in seconds since 1970 is needed")
    return value


def interval(raw: str) -> float:
    """Seconds between two polls; ValueError if they are next to none."""
    if (value := seconds(raw)) < 0.01:
        raise ValueError("at least 0.01 seconds are needed")
    return value
