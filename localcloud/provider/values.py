"""Pulumi's values, from the wire and from mocks, as plain Python; and back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

Properties = dict[str, Any]

# Pulumi's signatures, from pulumi/sdk/python/lib/pulumi/runtime/rpc.py and sdk/go/common/resource/plugin/rpc.go.
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
ASSET = "c44067f5952c0a294b673a41bacd8c17"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWNS = frozenset({  # the engine has one per type; to a provider they all mean the same
    UNKNOWN,
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
})  # fmt: skip


@dataclass(frozen=True)
class Asset:
    """A file or text given as a property. Its hash, SHA-256 in hex, is the engine's; mocks have none."""

    path: str | None = None
    text: str | None = None
    sha256: str = ""

    def anywhere(self) -> bool:
        """Whether a process in any folder finds the same content."""
        return self.path is None or Path(self.path).is_absolute()


def decode(struct: Struct) -> Properties:
    """Properties as the engine sends them; numbers without a fraction become integers."""
    plain = {name: _plain(value) for name, value in struct.fields.items()}
    return {name: normal(value) for name, value in plain.items() if value is not None}


def encode(properties: Mapping[str, Any]) -> Struct:
    """Properties for the engine."""
    struct = Struct()
    struct.update({name: _wire(value) for name, value in properties.items()})
    return struct


def normal(value: Any) -> Any:
    """A value as handlers see it: secrets unwrapped, absent members dropped, whole numbers as integers."""
    if isinstance(value, Mapping):
        signature = value.get(SIGNATURE)
        if signature == SECRET:
            return normal(value["value"])
        if signature == OUTPUT:
            return normal(value["value"]) if "value" in value else UNKNOWN
        if signature == ASSET:
            return Asset(value.get("path"), value.get("text"), value.get("hash", ""))
        return {key: normal(member) for key, member in value.items() if member is not None}
    if isinstance(value, list | tuple):
        return [normal(member) for member in value]
    if isinstance(value, str):
        return UNKNOWN if value in _UNKNOWNS else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def has_unknown(value: Any) -> bool:
    """Whether a value, or a part of it, is known only after the deployment."""
    if isinstance(value, Mapping):
        return any(map(has_unknown, value.values()))
    if isinstance(value, list):
        return any(map(has_unknown, value))
    return isinstance(value, str) and value == UNKNOWN


def paths_in(value: Any, path: str = "") -> Iterator[str]:
    """The path of every leaf, also of empty maps and lists; lists are no level of it: `overrides.instanceType`."""
    if isinstance(value, Mapping) and value:
        for key, member in value.items():
            yield from paths_in(member, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for member in value:
            yield from paths_in(member, path)
    elif path:
        yield path


def _plain(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {name: _plain(member) for name, member in value.struct_value.fields.items()}
    if kind == "list_value":
        return [_plain(member) for member in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def _wire(value: Any) -> Any:
    if isinstance(value, Asset):
        content = {"path": value.path, "text": value.text, "hash": value.sha256}
        return {SIGNATURE: ASSET, **{key: text for key, text in content.items() if text}}
    if isinstance(value, Mapping):
        return {key: _wire(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_wire(member) for member in value]
    return value
