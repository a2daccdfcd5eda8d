"""Excerpts from botocore's models what `api_shapes` reads. `python -m infra.policies.api_excerpt` writes the file.

A unit test compares the file with the botocore that is installed: write it anew after botocore was upgraded.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.loaders import create_loader

from infra.policies.api_operations import NESTED, OPERATIONS, Operation
from infra.policies.api_shapes import EXCERPT

SHOWN_ENUMERATION = 100  # of more values, such as all instance types, the model is the last to know
NUMBERS = ("integer", "long", "float", "double")
Shapes = Mapping[str, Mapping[str, Any]]


def excerpt() -> dict[str, Any]:
    """For each service its operations in use, and the shapes behind their inputs."""
    wanted: dict[str, set[Operation]] = {}
    for each in [*OPERATIONS.values(), *(each for members in NESTED.values() for each in members.values())]:
        wanted.setdefault(each.service, set()).add(each)
    return {service: _of_service(service, wanted[service]) for service in sorted(wanted)}


def written(found: Mapping[str, Any]) -> str:
    """As JSON with a line for each shape, so that a difference can be read."""
    return "{\n" + ",\n".join(f'"{name}": {_lines(each)}' for name, each in found.items()) + "\n}\n"


def _lines(service: Mapping[str, Any]) -> str:
    shapes = ",\n".join(f"    {json.dumps(name)}: {json.dumps(each)}" for name, each in service["shapes"].items())
    return f'{{\n  "inputs": {json.dumps(service["inputs"])},\n  "shapes": {{\n{shapes}\n  }}\n}}'


def _of_service(name: str, operations: set[Operation]) -> dict[str, Any]:
    model = create_loader().load_service_model(name, "service-2")
    shapes: Shapes = model["shapes"]
    inputs = {str(each): _input(model, each) for each in sorted(operations, key=str)}
    speaking = _speaking(shapes, set(inputs.values()))
    reached = {each for root in inputs.values() for each in _reached(shapes, root, speaking)}
    return {"inputs": inputs, "shapes": {each: _fields(shapes[each], speaking) for each in sorted(reached)}}


def _input(model: Mapping[str, Any], operation: Operation) -> str:
    """The shape that the properties belong to: the operation's input, a member of it, or what that member lists."""
    shapes: Shapes = model["shapes"]
    name = str(model["operations"][operation.name]["input"]["shape"])
    if operation.member:
        name = shapes[name]["members"][operation.member]["shape"]
    return str(shapes[name]["member"]["shape"]) if shapes[name]["type"] == "list" else name


def _speaking(shapes: Shapes, inputs: set[str]) -> set[str]:
    """The shapes of which something can be said: for a limit of their own, or one further down."""
    found = inputs | {name for name, shape in shapes.items() if _limits(shape) or shape.get("required")}
    grown = True
    while grown:
        more = {name for name, shape in shapes.items() if found.intersection(_behind(shape))} - found
        grown = bool(more)
        found |= more
    return found


def _reached(shapes: Shapes, root: str, speaking: set[str]) -> Iterator[str]:
    seen, waiting = set(), [root]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            yield name
            waiting += [each for each in _behind(shapes[name]) if each in speaking]


def _behind(shape: Mapping[str, Any]) -> list[str]:
    """The shapes that a shape is made of, as far as they are judged: maps are not."""
    if shape["type"] == "structure":
        return [each["shape"] for each in shape.get("members", {}).values()]
    return [shape["member"]["shape"]] if shape["type"] == "list" else []


def _fields(shape: Mapping[str, Any], speaking: set[str]) -> dict[str, Any]:
    def named(name: str) -> str:
        return name if name in speaking else ""

    made: dict[str, Any] = {"type": "number" if shape["type"] in NUMBERS else shape["type"], **_limits(shape)}
    if shape["type"] == "structure":
        made |= {"required": shape["required"]} if shape.get("required") else {}
        made["members"] = {name: named(each["shape"]) for name, each in shape.get("members", {}).items()}
    elif shape["type"] == "list":
        made["member"] = named(shape["member"]["shape"])
    return made


def _limits(shape: Mapping[str, Any]) -> dict[str, Any]:
    """What the rule reads of a text, a number or a list."""
    kind = shape["type"]
    if len(shape.get("enum", ())) > SHOWN_ENUMERATION or kind not in ("string", "list", *NUMBERS):
        return {}
    kept = {key: shape[key] for key in ("enum", "min", "max") if key in shape}
    return {**kept, "pattern": shape["pattern"]} if kind == "string" and _is_python(shape.get("pattern")) else kept


def _is_python(pattern: str | None) -> bool:
    r"""Whether the pattern means the same here. One in Java's own syntax, with \p, does not."""
    if not pattern or "\\p" in pattern:
        return False
    try:
        re.compile(rf"\A(?:{pattern})\Z")
    except re.error:
        return False
    return True


if __name__ == "__main__":
    EXCERPT.write_text(written(excerpt()), "utf-8")
