"""What a case is: how to make a resource, what of it changes in place, what asks for a new one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from localcloud.provider.values import Properties
from tests.aws.provider.world import World

GONE = object()  # in a change: the program leaves the input out


@dataclass(frozen=True)
class Case:
    """Inputs of a resource; inputs that change in place; inputs for which AWS needs a new resource."""

    inputs: Callable[[World], Properties]
    updates: Callable[[World, Properties], Properties] = lambda world, inputs: {}
    replaces: Properties = field(default_factory=dict)


def fixed(**updates: Any) -> Callable[[World, Properties], Properties]:
    """The same changes whatever the world."""
    return lambda world, inputs: updates
