"""Every resource type that the stand-in knows, by its token."""

import difflib
from collections.abc import Iterable, Mapping
from functools import cache

from localcloud.provider.errors import UnknownTypeError
from localcloud.provider.resource import Handler


@cache
def handlers() -> Mapping[str, Handler]:
    """One handler for each type."""
    from localcloud.provider.handlers import ALL

    return {cls.token: cls() for cls in ALL}


def handler_for(token: str) -> Handler:
    """The handler of a token like `aws:ec2/vpc:Vpc`.

    Raises:
        UnknownTypeError: there is none; the text says where to add it.
    """
    try:
        return handlers()[token]
    except KeyError:
        similar = nearest(token, handlers())
        raise UnknownTypeError(
            f"the local cloud does not know the resource type {token}{similar}; {where_to_add()}"
        ) from None


def nearest(name: str, known: Iterable[str]) -> str:
    """The most similar of the known names, as a part of an error; empty when none is similar."""
    found = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def where_to_add() -> str:
    """The remedy for a type that is not there."""
    return "write a handler for it in localcloud/provider/handlers/ and list it in ALL of handlers/__init__.py"
