"""What a builder has said on its console. Pure."""

import re
from dataclasses import dataclass

from infra.user_data import BAKED, BAKING_FAILED

TAIL_LINES = 25
_TASK = re.compile(r"TASK \[(.*?)\]")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n\x20-\U0010ffff]")


@dataclass(frozen=True)
class Console:
    """The text of GetConsoleOutput, the newest at its end."""

    text: str

    def baked(self, service_version: str) -> bool | None:
        """How it went, or None as long as nothing is said."""
        if f"{BAKED} {service_version}" in self.text:
            return True
        return False if BAKING_FAILED in self.text else None

    def task(self) -> str:
        """What the playbook does now."""
        return next(reversed(_TASK.findall(self.text)), "")

    def tail(self) -> str:
        """The last lines, for an error."""
        lines = [line.rstrip() for line in _CONTROL.sub("", self.text).split("\n")]
        return "\n".join(f"  {line}" for line in [line for line in lines if line][-TAIL_LINES:] or ["(nothing)"])
