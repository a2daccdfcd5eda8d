"""The kinds of check that a provider's schema can hold, as Terraform's plugin SDK has them.

https://github.com/hashicorp/terraform-plugin-sdk/blob/main/helper/schema/schema.go: a value that is not known yet is
never judged, and counts neither as given nor as missing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from localcloud.provider.schema import Problem
from localcloud.provider.upstream.forms import Form
from localcloud.provider.values import UNKNOWN, Properties

LONGEST = 60  # of a value in a message


class Check(Protocol):
    """What is wrong with a resource's inputs, in one respect."""

    def problems(self, inputs: Properties) -> Iterator[Problem]: ...


@dataclass(frozen=True)
class Value:
    """One property, by its path without the levels of lists, has a form (`ValidateFunc`, `ValidateDiagFunc`)."""

    path: str
    form: Form

    def problems(self, inputs: Properties) -> Iterator[Problem]:
        for place, value in places(inputs, self.path):
            if value != UNKNOWN and self.form.is_about(value) and not self.form.fits(value):
                yield Problem(place, f"is {shown(value)}; must be {self.form.wanted}")


@dataclass(frozen=True)
class ExactlyOne:
    """`ExactlyOneOf`; with `beside`, only where that property is given."""

    paths: Sequence[str]
    beside: str = ""

    def problems(self, inputs: Properties) -> Iterator[Problem]:
        if self.beside and not given(inputs, self.beside):
            return
        found, unknown = _sorted_out(inputs, self.paths)
        what = ", ".join(self.paths)
        if len(found) > 1:
            yield Problem(found[0], f"is given beside {' and '.join(found[1:])}; give exactly one of {what}")
        elif not found and not unknown:
            yield Problem("", f"none of {what} is given; give exactly one")


@dataclass(frozen=True)
class AtLeastOne:
    """`AtLeastOneOf`."""

    paths: Sequence[str]

    def problems(self, inputs: Properties) -> Iterator[Problem]:
        found, unknown = _sorted_out(inputs, self.paths)
        if not found and not unknown:
            yield Problem("", f"none of {', '.join(self.paths)} is given; give at least one")


@dataclass(frozen=True)
class Conflict:
    """`ConflictsWith`; with `within`, in each member of that list."""

    paths: Sequence[str]
    within: str = ""

    def problems(self, inputs: Properties) -> Iterator[Problem]:
        for place, member in places(inputs, self.within):
            if isinstance(member, Mapping):
                found, _ = _sorted_out(member, self.paths)
                if len(found) > 1:
                    first = f"{place}.{found[0]}" if place else found[0]
                    yield Problem(first, f"is given beside {' and '.join(found[1:])}; take one of them out")


@dataclass(frozen=True)
class Needs:
    """`RequiredWith`: a property that is given only together with another."""

    path: str
    other: str

    def problems(self, inputs: Properties) -> Iterator[Problem]:
        if given(inputs, self.path) and not list(places(inputs, self.other)):
            yield Problem(self.path, f"is given without {self.other}; give both or none")


@dataclass(frozen=True)
class Where:
    """What a `CustomizeDiff` asks for where one property is, or with `unless` is not, of this value."""

    path: str
    value: str
    default: str
    unless: bool = False
    required: Sequence[str] = ()
    forbidden: Sequence[str] = ()

    def problems(self, inputs: Properties) -> Iterator[Problem]:
        now = inputs.get(self.path, self.default)
        if now == UNKNOWN or (now == self.value) == self.unless:
            return
        for path in self.required:
            if not list(places(inputs, path)):
                yield Problem(path, f"is missing, but {self.path} is {now}; give it")
        for path in self.forbidden:
            if given(inputs, path):
                yield Problem(path, f"is given, but {self.path} is {now}; take it out")


def places(value: Any, path: str, at: str = "") -> Iterator[tuple[str, Any]]:
    """Each value at the path, with its exact place; lists are no level of the path."""
    if isinstance(value, list):
        for number, member in enumerate(value):
            yield from places(member, path, f"{at}[{number}]")
        return
    if not path:
        if value is not None:
            yield at, value
        return
    name, _, rest = path.partition(".")
    if isinstance(value, Mapping) and value.get(name) is not None:
        yield from places(value[name], rest, f"{at}.{name}" if at else name)
    elif value == UNKNOWN:
        yield at, value


def given(inputs: Mapping[str, Any], path: str) -> bool:
    """Whether something known is there; no member of a list is nothing."""
    return any(value != UNKNOWN for _, value in places(inputs, path))


def shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..., {len(value)} long"


def _sorted_out(inputs: Mapping[str, Any], paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which of the properties are given, and which will be known only later."""
    found = [path for path in paths if given(inputs, path)]
    return found, [path for path in paths if path not in found and list(places(inputs, path))]
