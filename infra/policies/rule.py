"""A rule: one plain function that yields what is wrong, with where that is written."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from infra.policies.resource import Resource, Stack, number

Check = Callable[..., Iterator[str]]  # of a resource, or of a resource and its stack
ANY = "*"


@dataclass(frozen=True)
class Rule:
    """`check` yields messages with value, limit and remedy; `source` is the page that says so."""

    id: str
    types: tuple[str, ...]
    check: Check
    source: str
    mandatory: bool = True

    @functools.cached_property
    def whole_stack(self) -> bool:
        """Whether the check wants to see the other resources, too."""
        return len(inspect.signature(self.check).parameters) == 2

    @property
    def description(self) -> str:
        return inspect.getdoc(self.check) or self.id

    def is_about(self, resource: Resource) -> bool:
        return resource.type in self.types or (ANY in self.types and resource.type.startswith("aws:"))


@dataclass(frozen=True)
class Finding:
    """What one rule says of one resource."""

    rule: str
    resource: str
    type: str
    message: str
    source: str
    mandatory: bool = True


def rule(*types: str, source: str, group: str = "aws_refuses", mandatory: bool = True) -> Callable[[Check], Rule]:
    """Make a rule of a function; its id is the function's name."""

    def made(check: Check) -> Rule:
        return Rule(f"{group}/{check.__name__.replace('_', '-')}", types, check, source, mandatory)

    return made


def rules_of(module: ModuleType) -> list[Rule]:
    """Every rule of a module, and those of its lists, in the order of the file."""
    found: list[Rule] = []
    for each in vars(module).values():
        if isinstance(each, Rule):
            found.append(each)
        elif isinstance(each, list):
            found += [member for member in each if isinstance(member, Rule)]
    return found


def findings(rules: Sequence[Rule], resources: Iterable[Resource]) -> list[Finding]:
    """What all rules say of a stack, by resource in the order given."""
    stack = Stack(resources)
    about: dict[str, list[Rule]] = {}
    found = []
    for resource in stack.resources:
        if resource.type not in about:
            about[resource.type] = [each for each in rules if each.is_about(resource)]
        for each in about[resource.type]:
            found += judged(each, resource, stack)
    return found


def judged(each: Rule, resource: Resource, stack: Stack) -> list[Finding]:
    """What one rule says of one resource."""
    messages = each.check(resource, stack) if each.whole_stack else each.check(resource)
    return [
        Finding(each.id, resource.name, resource.type, message, each.source, each.mandatory) for message in messages
    ]


# The two kinds of limit that need no function of their own.


def between(token: str, path: str, least: float, most: float, source: str, *, or_zero: bool = False) -> Rule:
    """A number with both limits, where the API's model has none."""

    def check(resource: Resource) -> Iterator[str]:
        for place, value in resource.known(path):
            found = number(value)
            if found is None or (or_zero and found == 0) or least <= found <= most:
                continue
            zero = "0, or " if or_zero else ""
            yield (
                f"{place} is {value:g}; must be {zero}{least:g} to {most:g}"
                if isinstance(value, int | float)
                else f"{place} is {value!r}; must be {zero}{least:g} to {most:g}"
            )

    check.__doc__ = f"{path} is {'0 or ' if or_zero else ''}{least:g} to {most:g}."
    return Rule(_id(token, path, "range"), (token,), check, source)


def among(token: str, path: str, allowed: Sequence[Any], source: str) -> Rule:
    """One of a few values, where the API's model has no enumeration."""

    def check(resource: Resource) -> Iterator[str]:
        for place, value in resource.known(path):
            given = number(value) if isinstance(allowed[0], int) else value
            if given not in allowed:
                yield f"{place} is {value!r}; must be {listed(allowed)}"

    check.__doc__ = f"{path} is {listed(allowed)}."
    return Rule(_id(token, path, "value"), (token,), check, source)


def listed(values: Sequence[Any]) -> str:
    """`a, b or c`."""
    texts = [str(each) for each in values]
    return f"{', '.join(texts[:-1])} or {texts[-1]}" if len(texts) > 1 else texts[0]


def exactly_one(resource: Resource, paths: Sequence[str], what: str = "") -> Iterator[str]:
    """One of the properties, and no second one."""
    given = [path for path in paths if resource.has(path)]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        yield f"{found} of {listed(paths)} given{what}; give exactly one"


def only_with(resource: Resource, path: str, holds: bool, condition: str) -> Iterator[str]:
    """A property that means nothing, and is refused, unless a condition holds."""
    if resource.has(path) and not holds:
        yield f"{path} is {shown(resource.get(path))}; only {condition}: take it out"


def shown(value: Any) -> str:
    """A value in a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _id(token: str, path: str, kind: str) -> str:
    name = token.rpartition(":")[2] + "-" + path.replace("[]", "").replace(".", "-")
    return f"aws_refuses/{_dashed(name)}-{kind}"


def _dashed(name: str) -> str:
    return "".join(f"-{each.lower()}" if each.isupper() else each for each in name).strip("-").replace("--", "-")


Cases = Mapping[str, Any]
