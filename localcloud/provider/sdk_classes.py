"""Reads shapes from the classes of the pulumi_aws SDK, which carry their types as annotations.

Only the modules of the types in use are imported: all of pulumi_aws.ec2 would cost a second and much memory.
"""

import functools
import importlib
import importlib.util
import inspect
import keyword
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from localcloud.provider.sdk_shapes import LIST, MAP, OBJECT, Kind, Shape

SDK = "pulumi_aws"


def import_sparingly() -> None:
    """Let later imports of single SDK modules skip their packages' own, which import everything. Once per process,
    and only where no Pulumi program runs: the packages stay without most of their usual members."""
    spec = importlib.util.find_spec(SDK)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    root = Path(next(iter(spec.submodule_search_locations)))
    packages = {each.name for each in root.iterdir() if (each / "__init__.py").is_file()}
    for package in ("", *sorted(packages)):
        name = f"{SDK}.{package}".rstrip(".")
        module = sys.modules[name] = types.ModuleType(name)
        module.__path__ = [str(root / package)]
        module.__dict__["__getattr__"] = functools.partial(_nested_type, name)


def _nested_type(package: str, name: str) -> Any:
    """What annotations name through their package: `pulumi_aws.iam.PolicyStatementArgs`."""
    if name.endswith("Args"):
        return getattr(importlib.import_module(f"{package}._inputs"), name)
    raise AttributeError(name)


@functools.cache
def arguments_class(token: str) -> type:
    """The SDK class that describes the inputs of `aws:ec2/vpc:Vpc`: pulumi_aws.ec2.vpc.VpcArgs."""
    _, module, name = token.split(":")
    package, file = module.split("/")
    package = f"{package}_" if keyword.iskeyword(package) else package
    found = importlib.import_module(f"{SDK}.{package}.{re.sub('(?<=[a-z0-9])(?=[A-Z])', '_', file).lower()}")
    # On a clash with a nested type called XArgs the SDK calls the resource's class XInitArgs.
    chosen: type = getattr(found, f"{name}InitArgs", None) or getattr(found, f"{name}Args")
    return chosen


def provider_class() -> type:
    """The one for the inputs of the provider itself."""
    found: type = importlib.import_module(f"{SDK}.provider").ProviderArgs
    return found


@functools.cache
def shape_of(cls: type) -> Shape:
    """What one class of the SDK says."""
    from pulumi import _types as metadata

    names = metadata.input_type_py_to_pulumi_names(cls)
    given = inspect.signature(cls).parameters
    required = {
        names[name] for name, each in given.items() if name in names and each.default is inspect.Parameter.empty
    }
    kinds = {name: tuple(_kinds(each)) for name, each in metadata.input_type_types(cls).items()}
    return Shape(f"{cls.__module__.split('.')[1]}.{cls.__name__}", kinds, frozenset(required))


def _kinds(wanted: Any) -> Iterator[Kind]:
    for each in _alternatives(wanted):
        origin = typing.get_origin(each) or each
        if origin in (list, Sequence):
            yield from (Kind(LIST, member) for member in _kinds((typing.get_args(each) or (Any,))[0]))
        elif origin in (dict, Mapping):
            yield from (Kind(MAP, member) for member in _kinds((typing.get_args(each) or (str, Any))[1]))
        elif _is_object(origin):
            yield Kind(OBJECT, shape=functools.partial(shape_of, origin))
        elif _is_asset(origin):
            yield Kind("asset")
        else:
            yield Kind(origin.__name__ if origin in (bool, int, float, str) else "Any")


@functools.cache
def _alternatives(wanted: Any) -> tuple[Any, ...]:
    """The types that a property takes, without Output, None and the typed dictionaries that repeat each object type."""
    origin = typing.get_origin(wanted)
    if origin is typing.Union or origin is types.UnionType:
        nested = (_alternatives(each) for each in typing.get_args(wanted))
        return tuple(dict.fromkeys(each for group in nested for each in group))
    name = getattr(origin or wanted, "__name__", "")
    if isinstance(wanted, str | typing.ForwardRef) or wanted is type(None) or name in ("Output", "Awaitable"):
        return ()
    return () if name.endswith("ArgsDict") else (wanted,)


def _is_object(cls: Any) -> bool:
    from pulumi import _types as metadata

    return inspect.isclass(cls) and metadata.is_input_type(cls)


def _is_asset(cls: Any) -> bool:
    import pulumi

    return inspect.isclass(cls) and issubclass(cls, pulumi.Asset | pulumi.Archive)
