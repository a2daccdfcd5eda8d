"""The check of inputs against the pulumi_aws SDK's own type metadata, which the SDK itself does not do.

Only the modules of the types in use are imported: all of pulumi_aws.ec2 would cost a second and much memory.
"""

import importlib
import importlib.util
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from localcloud.provider.errors import UnknownTypeError
from localcloud.provider.registry import handler_for, nearest
from localcloud.provider.resource import Handler, names
from localcloud.provider.values import Asset, Properties, has_unknown, paths_in

SDK = "pulumi_aws"
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
    found = list(_object_problems(arguments_class(token), inputs, ""))
    found = [*found, *_unsupported(token, handler.inputs, inputs, _file_of(handler), found)]
    return sorted(found, key=lambda problem: problem.path)  # the wire keeps no order


def sdk_problems(token: str, inputs: Properties) -> list[Problem]:
    """As `problems`, for any type that the SDK has; raises ImportError or AttributeError for another."""
    return sorted(_object_problems(arguments_class(token), inputs, ""), key=lambda problem: problem.path)


def provider_problems(inputs: Properties) -> list[Problem]:
    """What is wrong with the inputs of an explicit or default `aws` provider.

    Profiles, keys and endpoints are refused: a program that names some means another AWS than the local one.
    """
    cls = importlib.import_module(f"{SDK}.provider").ProviderArgs
    found = list(_object_problems(cls, inputs, ""))
    return [*found, *_unsupported(PROVIDER, PROVIDER_INPUTS, inputs, "localcloud/provider/configuration.py", found)]


def import_sparingly() -> None:
    """Let later imports of single SDK modules skip their packages' own, which import everything. Once per process,
    and only where no Pulumi program runs: the packages stay without their usual members."""
    spec = importlib.util.find_spec(SDK)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    root = Path(next(iter(spec.submodule_search_locations)))
    packages = {each.name for each in root.iterdir() if (each / "__init__.py").is_file()}
    for package in ("", *sorted(packages)):
        name = f"{SDK}.{package}".rstrip(".")
        module = sys.modules[name] = types.ModuleType(name)
        module.__path__ = [str(root / package)]


@cache
def arguments_class(token: str) -> type:
    """The SDK class that describes the inputs of `aws:ec2/vpc:Vpc`: pulumi_aws.ec2.vpc.VpcArgs."""
    _, module, name = token.split(":")
    package, file = module.split("/")
    found = importlib.import_module(f"{SDK}.{package}.{re.sub('(?<=[a-z0-9])(?=[A-Z])', '_', file).lower()}")
    # On a clash with a nested type called XArgs the SDK calls the resource's class XInitArgs.
    chosen: type = getattr(found, f"{name}InitArgs", None) or getattr(found, f"{name}Args")
    return chosen


@dataclass(frozen=True)
class _Shape:
    types: Mapping[str, Any]
    required: frozenset[str]


@cache
def _shape(cls: type) -> _Shape:
    from pulumi import _types as metadata

    names = metadata.input_type_py_to_pulumi_names(cls)
    given = inspect.signature(cls).parameters
    required = {
        names[name] for name, each in given.items() if name in names and each.default is inspect.Parameter.empty
    }
    return _Shape(metadata.input_type_types(cls), frozenset(required))


def _object_problems(cls: type, value: Mapping[str, Any], path: str) -> Iterator[Problem]:
    shape = _shape(cls)
    for name in sorted(shape.required - value.keys()):
        yield Problem(_joined(path, name), "missing, but required")
    for name, member in value.items():
        where = _joined(path, name)
        if name in shape.types:
            yield from _value_problems(shape.types[name], member, where)
        elif not name.startswith("__"):
            yield Problem(where, f"pulumi_aws has no such property ({cls.__name__}){nearest(name, shape.types)}")


def _value_problems(wanted: Any, value: Any, path: str) -> Iterator[Problem]:
    """Problems of the alternative that fits best; an alternative that fits wholly has none."""
    if value is None or (has_unknown(value) and not isinstance(value, Mapping | list)):
        return
    found = [list(_alternative_problems(each, value, path)) for each in _alternatives(wanted)]
    if found:
        yield from min(found, key=len)


def _alternative_problems(wanted: Any, value: Any, path: str) -> Iterator[Problem]:
    origin = typing.get_origin(wanted) or wanted
    if origin in (list, Sequence):
        if not isinstance(value, list):
            yield Problem(path, f"expected a list, not {value!r}")
            return
        (member_type,) = typing.get_args(wanted) or (Any,)
        for number, member in enumerate(value):
            yield from _value_problems(member_type, member, f"{path}[{number}]")
    elif origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            yield Problem(path, f"expected a map, not {value!r}")
            return
        _, member_type = typing.get_args(wanted) or (str, Any)
        for key, member in value.items():
            yield from _value_problems(member_type, member, f"{path}[{key!r}]")
    elif _is_input_type(origin):
        if isinstance(value, Mapping):
            yield from _object_problems(origin, value, path)
        else:
            yield Problem(path, f"expected an object ({origin.__name__}), not {value!r}")
    elif origin is _PulumiAsset and isinstance(value, Asset) and not value.anywhere():
        yield Problem(
            path,
            f"the file {value.path} is named relative to the program's folder, which an attached provider does not "
            "know; give an absolute path, made from pathlib.Path(__file__).parent",
        )
    elif (fits := _SCALARS.get(origin)) and not fits(value):
        yield Problem(path, f"expected {_NAMES[origin]}, not {value!r}")


_SCALARS: Mapping[Any, typing.Callable[[Any], bool]] = {
    bool: lambda value: isinstance(value, bool),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
    float: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    str: lambda value: isinstance(value, str),
}
_NAMES = {bool: "a boolean", int: "a whole number", float: "a number", str: "a string"}


def _is_input_type(cls: Any) -> bool:
    from pulumi import _types as metadata

    return inspect.isclass(cls) and metadata.is_input_type(cls)


@cache
def _alternatives(wanted: Any) -> tuple[Any, ...]:
    """The types that a property takes, without Output, None and the typed dictionaries that repeat each object type."""
    import pulumi

    origin = typing.get_origin(wanted)
    if origin is typing.Union or origin is types.UnionType:
        nested = (_alternatives(each) for each in typing.get_args(wanted))
        return tuple(dict.fromkeys(each for group in nested for each in group))
    name = getattr(origin or wanted, "__name__", "")
    if isinstance(wanted, str | typing.ForwardRef) or wanted is type(None) or name in ("Output", "Awaitable"):
        return ()
    if name.endswith("ArgsDict"):
        return ()
    return (
        (_PulumiAsset,) if inspect.isclass(wanted) and issubclass(wanted, pulumi.Asset | pulumi.Archive) else (wanted,)
    )


class _PulumiAsset:
    """Stands for pulumi.Asset in the types."""


_SCALARS = {**_SCALARS, _PulumiAsset: lambda value: isinstance(value, Asset)}
_NAMES = {**_NAMES, _PulumiAsset: "an asset, such as pulumi.FileAsset"}


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
