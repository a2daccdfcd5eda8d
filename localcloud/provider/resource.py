"""What a handler is: one resource type, in terms of calls to AWS."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from localcloud.provider.values import Asset, Properties
from localcloud.provider.waiting import Waiting


@dataclass(frozen=True)
class Aws:
    """The AWS of one provider configuration; `client` takes a boto3 service name."""

    client: Callable[[str], Any]
    region: str
    waiting: Waiting

    def account(self) -> str:
        """The account's id, for ARNs of what AWS returns without an owner."""
        return account_of(self.client("sts"))


def account_of(sts: Any) -> str:
    """The account that a boto3 client of STS works in."""
    return str(sts.get_caller_identity()["Account"])


@dataclass(frozen=True)
class AutoName:
    """How Pulumi's provider names a resource of this type: the resource's name, "-" and seven hex digits."""

    property: str = "name"
    longest: int = 255
    lower_case: bool = False


def names(text: str) -> frozenset[str]:
    """Property names, or dotted paths of them, parted by white space."""
    return frozenset(text.split())


class Handler:
    """One resource type. Stateless; every method takes the AWS to work on.

    `create` makes the resource and returns its id at once; what needs further calls is for `complete`, so that a
    failure there leaves a resource that Pulumi knows and finishes at the next `up`. `complete` and `update` bring
    the resource to what `inputs` says, whatever it is now. `read` returns all outputs, in an order that does not
    change by itself, and raises GoneError, or lets AWS's own not-found error pass. All of them may raise botocore's
    ClientError.
    """

    token: ClassVar[str]
    inputs: ClassVar[frozenset[str]]  # every input path that the methods below honour; others are refused
    outputs: ClassVar[frozenset[str]]  # every key that `read` returns
    replaced_by: ClassVar[frozenset[str]] = frozenset()  # inputs that AWS cannot change in place
    changing: ClassVar[frozenset[str]] = frozenset()  # outputs that any update changes
    write_only: ClassVar[frozenset[str]] = frozenset()  # inputs that never come back, and alone change nothing
    json_inputs: ClassVar[frozenset[str]] = frozenset()  # compared as JSON, not as text
    unordered: ClassVar[frozenset[str]] = frozenset()  # lists that AWS keeps as sets
    auto_name: ClassVar[AutoName | None] = None
    replace_in_place: ClassVar[bool] = False  # the old one has to go before the new one can come

    def create(self, aws: Aws, inputs: Properties) -> str:
        """Make the resource and return its id."""
        raise NotImplementedError

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        """Do what a new resource needs beyond its creation."""

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        """Return the outputs as AWS has them; `known` is the last known state, empty when importing."""
        raise NotImplementedError

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        """Change the resource in place; `known` is the last known state."""
        self.complete(aws, id_, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        """End the resource; AWS's own not-found error may pass."""
        raise NotImplementedError

    def top_level_inputs(self) -> frozenset[str]:
        """The names of the inputs, without those nested in them."""
        return frozenset(path.split(".")[0] for path in self.inputs)

    def same(self, name: str, one: Any, other: Any) -> bool:
        """Whether two values of the property `name` mean the same to AWS."""
        return bool(self._meaning(name, one) == self._meaning(name, other))

    def _meaning(self, name: str, value: Any) -> Any:
        if isinstance(value, Asset) and value.sha256:
            return value.sha256  # the content counts, not where the file lies
        if name in self.json_inputs and isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                return value
        if name in self.unordered and isinstance(value, list):
            return sorted(value, key=_sortable)
        return value


def _sortable(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def pascal(value: Any, renamed: Mapping[str, str] | None = None) -> Any:
    """Pulumi's nested properties as AWS's: keys begin with a capital, except those that `renamed` names."""
    renamed = renamed or {}
    if isinstance(value, Mapping):
        return {renamed.get(key, key[:1].upper() + key[1:]): pascal(member, renamed) for key, member in value.items()}
    if isinstance(value, list):
        return [pascal(member, renamed) for member in value]
    return value


def camel(value: Any, renamed: Mapping[str, str] | None = None) -> Any:
    """The way back from `pascal`, with the same `renamed`; empty members are left out: AWS may or may not send them."""
    back = {new: old for old, new in (renamed or {}).items()}

    def turned(value: Any) -> Any:
        if isinstance(value, Mapping):
            members = {back.get(key, key[:1].lower() + key[1:]): turned(member) for key, member in value.items()}
            return {key: member for key, member in members.items() if member not in (None, {}, [])}
        return [turned(member) for member in value] if isinstance(value, list) else value

    return turned(value)


def chosen(inputs: Properties, keys: Iterable[str]) -> dict[str, Any]:
    """The given ones of `keys`, named as AWS names them."""
    return {key[:1].upper() + key[1:]: pascal(inputs[key]) for key in keys if key in inputs}
