"""Every resource type that the stand-in knows, by its token."""

from collections.abc import Mapping
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
        raise UnknownTypeError(f"the local cloud does not know the resource type {token}; {where_to_add()}") from None


def where_to_add() -> str:
    """The remedy for a type that is not there."""
    return "write a handler for it in localcloud/provider/handlers/ and list it in ALL of handlers/__init__.py"
