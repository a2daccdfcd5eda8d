"""Making a resource that breaks a control; the control has to name it."""

import itertools
from collections.abc import Callable

from localcloud.aws.in_process import LocalAws

Break = Callable[[LocalAws], str]
_numbers = itertools.count()


def name() -> str:
    """One that was not there before: what was broken stays until the account ends."""
    return f"weak-{next(_numbers)}"
