"""Pulumi's resource names: `urn:pulumi:STACK::PROJECT::PARENT_TYPE$TYPE::NAME`."""


def type_of(urn: str) -> str:
    """The type token of a resource."""
    return urn.split("::")[2].split("$")[-1]


def name_of(urn: str) -> str:
    """The resource's name in the program; it may itself contain `::`."""
    return urn.split("::", 3)[3]
