"""Excerpts from the pulumi_aws SDK what `sdk_shapes` reads; `python -m localcloud.provider.sdk_excerpt` writes it.

A unit test compares the file with the SDK that is installed: write it anew after the SDK was upgraded, or when the
local cloud has learned a type.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from localcloud.provider import sdk_classes
from localcloud.provider.registry import handlers
from localcloud.provider.schema import PROVIDER
from localcloud.provider.sdk_shapes import EXCERPT, Kind, Shape, in_words


def excerpt() -> dict[str, Any]:
    """The types that the local cloud knows, and every shape behind them."""
    roots = {token: sdk_classes.shape_of(sdk_classes.arguments_class(token)) for token in sorted(handlers())}
    roots[PROVIDER] = sdk_classes.shape_of(sdk_classes.provider_class())
    shapes = {each.name: _fields(each) for each in _reached(list(roots.values()))}
    return {"resources": {token: each.name for token, each in roots.items()}, "shapes": dict(sorted(shapes.items()))}


def written(found: Mapping[str, Any]) -> str:
    """As JSON with a line for each shape, so that a difference can be read."""
    return "{\n" + ",\n".join(f'"{name}": {_lines(each)}' for name, each in found.items()) + "\n}\n"


def _lines(part: Mapping[str, Any]) -> str:
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(each)}" for name, each in part.items()) + "\n}"


def _reached(waiting: list[Shape]) -> Iterator[Shape]:
    seen = set()
    while waiting:
        shape = waiting.pop()
        if shape.name not in seen:
            seen.add(shape.name)
            yield shape
            waiting += [made for kinds in shape.types.values() for each in kinds for made in _behind(each)]


def _behind(kind: Kind) -> Iterator[Shape]:
    if kind.shape is not None:
        yield kind.shape()
    if kind.member is not None:
        yield from _behind(kind.member)


def _fields(shape: Shape) -> dict[str, str]:
    """The properties of each type, and those that must be given: names parted by spaces."""
    of_type: dict[str, list[str]] = {"required": sorted(shape.required)} if shape.required else {}
    for name, kinds in sorted(shape.types.items()):
        of_type.setdefault("|".join(map(in_words, kinds)), []).append(name)
    return {text: " ".join(names) for text, names in of_type.items()}


if __name__ == "__main__":
    EXCERPT.write_text(written(excerpt()), "utf-8")
