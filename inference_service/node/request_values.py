"""Single values of a request, checked; and the error that names the first one that is wrong."""

from collections.abc import Mapping
from typing import Any


class RequestError(Exception):
    """A request in error, as https://platform.openai.com/docs/guides/error-codes tells it."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code


def unsupported(message: str, param: str) -> RequestError:
    return RequestError(message, param=param, code="unsupported_parameter")


def integer(given: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    value = given.get(name)
    if isinstance(value, float) and value.is_integer():  # to JSON 3.0 is the number that 3 is
        value = int(value)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most):
        raise RequestError(f"{name} is {value!r}; a whole number from {least} to {most} is needed", param=name)
    return value


def number(given: Mapping[str, Any], name: str, least: float, most: float) -> float | None:
    value = given.get(name)
    if value is not None and (
        not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most
    ):
        raise RequestError(f"{name} is {value!r}; a number from {least} to {most} is needed", param=name)
    return value


def flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise RequestError(f"{name} is {value!r}; true or false is needed", param=name)
    return value
