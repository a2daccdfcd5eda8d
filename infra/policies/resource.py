"""A resource as its rules see it: its inputs, some of which are known only when something else is made."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

UNKNOWN_IDS = frozenset(
    {  # https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/plugin/rpc.go
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
SIGNATURE = "4dabf18193072939515e22adb298388d"
HIDDEN = "[secret]"  # what `pulumi preview --json` prints for one
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  the mark of a secret's envelope
Place = tuple[str, Any]  # where in the inputs, and what stands there


class _Unknown:
    """A value that is known only when something else is made. Equal to nothing, so that no rule judges it."""

    def __repr__(self) -> str:
        return "unknown"

    def __bool__(self) -> bool:
        return True  # it will be something


UNKNOWN = _Unknown()


@dataclass(frozen=True)
class Resource:
    """One resource; `props` are its inputs in camelCase, `refers_to` names the resources that an input comes from."""

    type: str
    name: str
    props: Mapping[str, Any]
    refers_to: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def has(self, path: str) -> bool:
        """Whether something is given there, known or not. An empty list, map or text counts as nothing."""
        return any(value not in (None, "", [], {}) for _, value in places(self.props, path))

    def get(self, path: str, default: Any = None) -> Any:
        """The first known value there, or the default."""
        return next((value for _, value in self.known(path)), default)

    def known(self, path: str) -> Iterator[Place]:
        """Every known value at a path such as `overrides[].instanceType`, with its exact place."""
        return ((place, value) for place, value in places(self.props, path) if known(value))


def known(value: Any) -> bool:
    """Whether a value is given and known."""
    return value is not None and not isinstance(value, _Unknown)


def number(value: Any) -> float | None:
    """A number, also one that the provider takes as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    return float(value) if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value) else None


def plain(value: Any) -> Any:
    """Inputs as they come over Pulumi's wire: secrets opened; unknown values, files and archives as UNKNOWN."""
    if isinstance(value, str):
        return UNKNOWN if value in UNKNOWN_IDS else value
    if isinstance(value, Mapping):
        if SIGNATURE in value:
            opened = value.get("value") if value[SIGNATURE] == SECRET else None
            return UNKNOWN if opened in (None, HIDDEN) else plain(opened)
        return {key: plain(each) for key, each in value.items() if not key.startswith("__")}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def places(value: Any, path: str) -> Iterator[Place]:
    """Each value at the path; `[]` stands for every member of a list."""
    yield from _places(value, path.split(".") if path else [], "")


def _places(value: Any, steps: Sequence[str], at: str) -> Iterator[Place]:
    if not steps:
        yield at, value
        return
    if not isinstance(value, Mapping):
        return
    name, members = steps[0].removesuffix("[]"), steps[0].endswith("[]")
    found, at = value.get(name), f"{at}.{name}" if at else name
    if found is None:
        return
    if isinstance(found, list) and (members or len(steps) > 1):  # a block may stand as a list of one
        for number_, each in enumerate(found):
            yield from _places(each, steps[1:], f"{at}[{number_}]")
    elif not members or isinstance(found, Mapping):
        yield from _places(found, steps[1:], at)


class Stack:
    """All resources of one stack, for rules that look at several."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.resources = tuple(resources)
        self._by_name: dict[str, list[Resource]] = {}
        for each in self.resources:
            self._by_name.setdefault(each.name, []).append(each)

    def of(self, *types: str) -> list[Resource]:
        return [each for each in self.resources if each.type in types]

    def behind(self, resource: Resource, prop: str, *types: str) -> list[Resource]:
        """The resources of these types that an input refers to."""
        names = resource.refers_to.get(prop.split(".")[0].removesuffix("[]"), ())
        found = [each for name in names for each in self._by_name.get(name, ())]
        return [each for each in found if each.type in types]
