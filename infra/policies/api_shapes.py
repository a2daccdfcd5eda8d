"""The shapes that AWS's APIs give to the inputs of the resources here: what they take, and within which limits.

They stand in api_shapes.json, an excerpt of botocore's models, which are the ones that every AWS SDK is generated from:
reading the models themselves would take half a second and 40 MB. api_excerpt.py makes the file.
"""

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.policies.api_operations import Operation

EXCERPT = Path(__file__).with_suffix(".json")
Fields = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Shape:
    """One shape of one service. A member of which nothing can be said has no shape."""

    service: str
    fields: Fields

    @property
    def kind(self) -> str:
        return str(self.fields["type"])

    @property
    def least(self) -> float | None:
        return self.fields.get("min")

    @property
    def most(self) -> float | None:
        return self.fields.get("max")

    @property
    def enumeration(self) -> Sequence[str]:
        found: Sequence[str] = self.fields.get("enum", ())
        return found

    @property
    def required(self) -> Sequence[str]:
        found: Sequence[str] = self.fields.get("required", ())
        return found

    @functools.cached_property
    def pattern(self) -> re.Pattern[str] | None:
        """Of the whole value."""
        return re.compile(rf"\A(?:{self.fields['pattern']})\Z") if "pattern" in self.fields else None

    @functools.cached_property
    def member_names(self) -> Mapping[str, str]:
        """The members of a structure by their normal names."""
        return {normal(name): name for name in self.fields["members"]}

    def member(self, name: str) -> "Shape | None":
        """A member of a structure."""
        return _shape(self.service, self.fields["members"][name])

    @property
    def each(self) -> "Shape | None":
        """What a list holds."""
        return _shape(self.service, self.fields["member"])


def input_of(operation: Operation) -> Shape:
    """What an operation takes of a resource."""
    found = _shape(operation.service, _excerpt()[operation.service]["inputs"][str(operation)])
    assert found is not None
    return found


def normal(name: str) -> str:
    """Providers and APIs spell a name alike but for its case and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


@functools.cache
def _shape(service: str, name: str) -> Shape | None:
    return Shape(service, _excerpt()[service]["shapes"][name]) if name else None


@functools.cache
def _excerpt() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(EXCERPT.read_text("utf-8"))
    return found
