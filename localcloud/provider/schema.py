"""The check of inputs against the pulumi_aws SDK's own type metadata, which the SDK itself does not do."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.provider.errors import UnknownTypeError
from localcloud.provider.registry import handler_for, nearest
from localcloud.provider.resource import Handler, names
from localcloud.provider.sdk_shapes import LIST, Kind, Shape, arguments
from localcloud.provider.values import Asset, Properties, has_unknown, paths_in

PROVIDER = "pulumi:providers:aws"
# The SDK itself sends the `skip…` ones, from the environment or with its defaults; here there is nothing to skip.
PROVIDER_INPUTS = names(
    "region defaultTags.tags allowedAccountIds forbiddenAccountIds skipCredentialsValidation skipMetadataApiCheck "
    "skipRegionValidation skipRequestingAccountId"
)


@dataclass(frozen=True)
class Problem:
    """What is wrong with one property; `path` is empty when it is the whole resource."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


def check(token: str, inputs: Properties) -> list[str]:
    """What is wrong with a resource's inputs, one line each, naming the property; empty when nothing is."""
    return [str(problem) for problem in problems(token, inputs)]


def problems(token: str, inputs: Properties) -> list[Problem]:
    """As `check`: inputs that the SDK does not have, of a wrong type, missing, or not written in the stand-in."""
    try:
        handler = handler_for(token)
    except UnknownTypeError as error:
        return [Problem("", str(error))]
    found = list(_object_problems(arguments(token), inputs, ""))
    found = [*found, *_unsupported(token, handler.inputs, inputs, _file_of(handler), found)]
    return sorted(found, key=lambda problem: problem.path)  # the wire keeps no order


def sdk_problems(token: str, inputs: Properties) -> list[Problem]:
    """As `problems`, for any type that the SDK has; raises ImportError or AttributeError for another."""
    return sorted(_object_problems(arguments(token), inputs, ""), key=lambda problem: problem.path)


def provider_problems(inputs: Properties) -> list[Problem]:
    """What is wrong with the inputs of an explicit or default `aws` provider.

    Profiles, keys and endpoints are refused: a program that names some means another AWS than the local one.
    """
    found = list(_object_problems(arguments(PROVIDER), inputs, ""))
    return [*found, *_unsupported(PROVIDER, PROVIDER_INPUTS, inputs, "localcloud/provider/configuration.py", found)]


def _object_problems(shape: Shape, value: Mapping[str, Any], path: str) -> Iterator[Problem]:
    for name in sorted(shape.required - value.keys()):
        yield Problem(_joined(path, name), "missing, but required")
    for name, member in value.items():
        where = _joined(path, name)
        if name in shape.types:
            yield from _value_problems(shape.types[name], member, where)
        elif not name.startswith("__"):
            yield Problem(where, f"pulumi_aws has no such property ({shape.class_name}){nearest(name, shape.types)}")


def _value_problems(kinds: Sequence[Kind], value: Any, path: str) -> Iterator[Problem]:
    """Problems of the alternative that fits best; an alternative that fits wholly has none."""
    if value is None or (has_unknown(value) and not isinstance(value, Mapping | list)):
        return
    found = [list(_kind_problems(each, value, path)) for each in kinds]
    if found:
        yield from min(found, key=len)


def _kind_problems(kind: Kind, value: Any, path: str) -> Iterator[Problem]:
    if kind.shape is not None:
        if isinstance(value, Mapping):
            yield from _object_problems(kind.shape(), value, path)
        else:
            yield Problem(path, f"expected an object ({kind.shape().class_name}), not {value!r}")
    elif kind.member is not None:
        yield from _members_problems(kind.name, kind.member, value, path)
    elif kind.name == "asset" and isinstance(value, Asset) and not value.anywhere():
        yield Problem(
            path,
            f"the file {value.path} is named relative to the program's folder, which an attached provider does not "
            "know; give an absolute path, made from pathlib.Path(__file__).parent",
        )
    elif (fits := _FITS.get(kind.name)) and not fits(value):
        yield Problem(path, f"expected {_NAMES[kind.name]}, not {value!r}")


def _members_problems(container: str, kind: Kind, value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, list if container == LIST else Mapping):
        yield Problem(path, f"expected {'a list' if container == LIST else 'a map'}, not {value!r}")
        return
    for key, member in value.items() if isinstance(value, Mapping) else enumerate(value):
        yield from _value_problems([kind], member, f"{path}[{key!r}]")


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "str": lambda value: isinstance(value, str),
    "asset": lambda value: isinstance(value, Asset),
}
_NAMES = {
    "bool": "a boolean",
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "asset": "an asset, such as pulumi.FileAsset",
}


def _unsupported(
    token: str, supported: frozenset[str], inputs: Properties, file: str, found: Sequence[Problem]
) -> Iterator[Problem]:
    """Inputs that the SDK has and the stand-in has not; `found` has been reported already."""
    reported = [re.sub(r"\[[^]]*\]", "", problem.path) for problem in found]
    for path in dict.fromkeys(paths_in({key: value for key, value in inputs.items() if not key.startswith("__")})):
        if any(path == each or path.startswith(f"{each}.") for each in reported):
            continue
        if not any(path == each or path.startswith(f"{each}.") or each.startswith(f"{path}.") for each in supported):
            yield Problem(path, f"the local cloud's {token} does not know this property; add it in {file}")


def _file_of(handler: Handler) -> str:
    return type(handler).__module__.replace(".", "/") + ".py"


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
