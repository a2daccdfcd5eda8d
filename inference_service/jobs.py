"""Jobs as they lie in the queue, and their results as they lie in the bucket: what the CLI writes, nodes read. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference_service import json_text

MOST_DEADLINE_SECONDS = 10**9
DEADLINES = f"a number above 0 and below {MOST_DEADLINE_SECONDS}"
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class JobError(Exception):
    """A message that is no job."""


@dataclass(frozen=True)
class Job:
    """One chat completion that nobody waits for. `deadline_seconds` counts from when it was sent; None: no limit."""

    id: str
    model: str
    body: Mapping[str, Any]
    deadline_seconds: float | None = None

    def to_message(self) -> str:
        members = {"id": self.id, "model": self.model, "body": self.body, "deadline_seconds": self.deadline_seconds}
        return json.dumps(members, ensure_ascii=False, separators=(",", ":"))


def parse(message: str) -> Job:
    """Read a message of the queue.

    Raises:
        JobError: naming what is wrong with it, and nothing of a prompt.
    """
    try:
        document = json_text.read(message.encode())
    except ValueError as error:
        raise JobError(f"it is {error}") from error
    if not isinstance(document, dict):
        raise JobError("it is no JSON object")
    job_id, model, body = document.get("id"), document.get("model"), document.get("body")
    deadline = document.get("deadline_seconds")
    problems = [
        *([] if isinstance(job_id, str) and ID.fullmatch(job_id) else ["id must be 1 to 100 letters, digits, . _ -"]),
        *([] if isinstance(model, str) and model else ["model must be a name"]),
        *([] if isinstance(body, dict) else ["body must be an object"]),
        *([] if deadline is None or _positive(deadline) else [f"deadline_seconds must be {DEADLINES}"]),
    ]
    if problems:
        raise JobError("; ".join(problems))
    return Job(str(job_id), str(model), dict(body or {}), deadline)


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < MOST_DEADLINE_SECONDS
