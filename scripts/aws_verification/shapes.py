"""What can be kept of a reply of AWS: its shape, without the values that name an account. Pure."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Shape = Any  # a name of a type; a list with the one shape of its members, empty if it had none; or a mapping

CODE = "Code"  # of an error: the one value that programs decide by


def shape(value: Any) -> Shape:
    """Types in the place of values. Members of a list become one shape, which has every key that any of them has."""
    if isinstance(value, Mapping):
        return {key: _of_member(key, each) for key, each in value.items() if key != "ResponseMetadata"}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_together([shape(each) for each in value])] if value else []
    return "date" if isinstance(value, datetime.datetime) else type(value).__name__


def differences(aws: Shape, here: Shape, path: str = "reply") -> Iterator[str]:
    """How the local cloud's reply differs from AWS's, one sentence each. An empty list says nothing of its members."""
    if isinstance(aws, dict) and isinstance(here, dict):
        yield from (f"{path}.{key} is missing here" for key in aws.keys() - here.keys())
        yield from (f"{path}.{key} is only here" for key in here.keys() - aws.keys())
        for key in sorted(aws.keys() & here.keys()):
            yield from differences(aws[key], here[key], f"{path}.{key}")
    elif isinstance(aws, list) and isinstance(here, list):
        if aws and here:
            yield from differences(aws[0], here[0], f"{path}[]")
    elif aws != here:
        yield f"{path} is {_kind(aws)} on AWS, {_kind(here)} here"


def _of_member(key: str, value: Any) -> Shape:
    return value if key == CODE and isinstance(value, str) else shape(value)


def _together(shapes: Sequence[Shape]) -> Shape:
    if not all(isinstance(each, dict) for each in shapes):
        return shapes[0]
    return {key: _fullest([each[key] for each in shapes if key in each]) for each in shapes for key in each}


def _fullest(shapes: Sequence[Shape]) -> Shape:
    """Of several shapes of one member, an empty list gives way to one that is not."""
    return next((each for each in shapes if each != []), shapes[0])


def _kind(found: Shape) -> str:
    if isinstance(found, dict | list):
        return "a mapping" if isinstance(found, dict) else "a list"
    return str(found)
