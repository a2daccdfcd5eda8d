"""The variables block of an instance's user data, the only part of it that the local cloud acts on.

On AWS cloud-init runs the whole script (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html); here the
supervisor starts the service itself, with the same variables.
"""

import re
import shlex

from inference_service import contract
from localcloud.errors import UserDataError

_ASSIGNMENT = re.compile(r"(?:export )?(WARMFLEET_[A-Z0-9_]+)=(.*)", re.DOTALL)


def read_variables(user_data: str) -> dict[str, str]:
    """The variables between the two comment lines of contract.py, one shell assignment a line.

    Raises:
        UserDataError: there is not exactly one block, or a line of it is no assignment to a WARMFLEET_ name.
    """
    lines = [line.strip() for line in user_data.splitlines()]
    if (lines.count(contract.VARIABLES_BEGIN), lines.count(contract.VARIABLES_END)) != (1, 1):
        raise UserDataError(
            f"user data needs one line '{contract.VARIABLES_BEGIN}' and one line '{contract.VARIABLES_END}'; "
            "infra/user_data.py writes them"
        )
    first, last = lines.index(contract.VARIABLES_BEGIN), lines.index(contract.VARIABLES_END)
    return dict(_assignment(number, lines[number]) for number in range(first + 1, last) if lines[number])


def _assignment(number: int, line: str) -> tuple[str, str]:
    found = _ASSIGNMENT.fullmatch(line)
    try:
        words = shlex.split(found[2]) if found else None
    except ValueError:  # a quote that is never closed
        words = None
    if found is None or words is None or len(words) > 1:
        raise UserDataError(f"user data, line {number + 1}: {line!r} is not WARMFLEET_NAME='value'")
    return found[1], words[0] if words else ""
