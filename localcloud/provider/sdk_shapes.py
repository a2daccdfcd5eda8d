"""What the pulumi_aws SDK takes for a resource: its properties, their types, and which of them must be given.

The types that the local cloud knows stand in sdk_shapes.json, an excerpt of the SDK, which sdk_excerpt.py makes: their
classes would take a second to import, and 60 MB. Any other type is read from its class.
"""

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXCERPT = Path(__file__).with_suffix(".json")
LIST, MAP, OBJECT = "[]", "{}", "object"


@dataclass(frozen=True)
class Kind:
    """One type that a property may have: `str`, `bool`, `int`, `float`, `asset`, a list, a map, an object, or `Any`."""

    name: str
    member: "Kind | None" = None  # of a list or a map
    shape: "Callable[[], Shape] | None" = None  # of an object


@dataclass(frozen=True)
class Shape:
    """An object that the SDK has a class for; a property has its types to choose from."""

    name: str  # package.Class
    types: Mapping[str, tuple[Kind, ...]]
    required: frozenset[str]

    @property
    def class_name(self) -> str:
        return self.name.rpartition(".")[2]


@functools.cache
def arguments(token: str) -> Shape:
    """The inputs of a resource. Raises ImportError, AttributeError or ValueError: the SDK has no such type."""
    if token in _excerpt()["resources"]:
        return _shape(_excerpt()["resources"][token])
    from localcloud.provider import sdk_classes

    return sdk_classes.shape_of(sdk_classes.arguments_class(token))


def in_words(kind: Kind) -> str:
    """As the excerpt has it: `[]str`, `{}str`, `ec2.InstanceEbsBlockDeviceArgs`."""
    if kind.shape is not None:
        return kind.shape().name
    return kind.name + (in_words(kind.member) if kind.member else "")


@functools.cache
def _excerpt() -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = json.loads(EXCERPT.read_text("utf-8"))
    return found


@functools.cache
def _shape(name: str) -> Shape:
    fields = dict(_excerpt()["shapes"][name])
    required = frozenset(fields.pop("required", "").split())
    return Shape(name, {prop: kinds for text, props in fields.items() for prop, kinds in _typed(text, props)}, required)


def _typed(text: str, props: str) -> Iterator[tuple[str, tuple[Kind, ...]]]:
    kinds = tuple(_kind(each) for each in text.split("|")) if text else ()
    return ((prop, kinds) for prop in props.split())


def _kind(text: str) -> Kind:
    for container in (LIST, MAP):
        if text.startswith(container):
            return Kind(container, _kind(text.removeprefix(container)))
    return Kind(OBJECT, shape=functools.partial(_shape, text)) if "." in text else Kind(text)
