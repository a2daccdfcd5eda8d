"""What the official provider refuses of a resource's inputs in a preview, before it asks AWS anything.

The official `aws` provider is terraform-provider-aws behind a bridge; its Check asks the schema of each resource:
enumerations, ranges, lengths, patterns, policy documents, ARNs, address ranges, properties that exclude or need each
other. Written down here, for the types and properties of the stand-in, is what its sources say, each type with the
file. It is less than AWS refuses, and is not to be more: a value that the official provider lets through in its
preview is let through here. What AWS itself would refuse is for infra/policies.
"""

from functools import cache

from localcloud.provider.schema import Problem
from localcloud.provider.upstream.checks import Check, Value
from localcloud.provider.values import Properties

SOURCE = "https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/"
# Read in 2026-11, in copies from the years 2022 to 2026. Lists of words are those of the API's model, as there.


@cache
def table() -> dict[str, tuple[str, tuple[Check, ...]]]:
    """For each type the file in SOURCE, and what it checks."""
    from localcloud.provider.upstream import (
        autoscaling,
        balancers,
        identity,
        launch_template,
        messages,
        network,
        storage,
        watching,
    )

    modules = (autoscaling, balancers, identity, launch_template, messages, network, storage, watching)
    return {token: found for module in modules for token, found in module.TABLE.items()}


def problems(token: str, inputs: Properties) -> list[Problem]:
    """All that the official provider would say of the inputs; what is not known yet is not judged."""
    _, checks = table().get(token, ("", ()))
    given = {key: value for key, value in inputs.items() if not key.startswith("__")}
    return [problem for each in checks for problem in each.problems(given)]


def source(token: str) -> str:
    """The page that says what the provider checks of this type."""
    return SOURCE + table()[token][0]


__all__ = ["SOURCE", "Check", "Value", "problems", "source", "table"]
