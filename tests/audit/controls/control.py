"""What a control is: a rule that a standard gives a number, and a function that looks at everything it is about."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from localcloud.aws.in_process import LocalAws

Seen = tuple[str, str]  # a resource, and what is wrong with it; empty if nothing is
Look = Callable[[LocalAws], Iterator[Seen]]

ACCOUNT = "account"  # the resource of controls about the account as a whole


@dataclass(frozen=True)
class Control:
    """`id` as AWS's Foundational Security Best Practices has it, or with "CIS " before it as in CIS AWS 7.0.

    https://docs.aws.amazon.com/securityhub/latest/userguide/fsbp-standard.html
    """

    id: str
    rule: str
    look: Look

    def __str__(self) -> str:
        return self.id


def unless(fine: object, wrong: str) -> str:
    """The second half of Seen."""
    return "" if fine else wrong
