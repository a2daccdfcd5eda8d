"""How often a job was tried in vain. SQS counts every receive, also that of a node which had to leave and gave the job
back; here only failures count, and nodes that were lost over it. It stands in the bucket: jobs/<id>/attempt.json.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_FAILURES = 5  # then it is a dead letter
UNFINISHED = "it has not ended: the node was lost, or still works on it"
GIVEN_BACK = "it was given back by a node that had to leave, or was busy"
AWS_SILENT = "AWS did not answer"
LONGEST_PROBLEM = 500


@dataclass(frozen=True)
class Attempts:
    """Of one message: the same job, submitted again, begins anew."""

    message_id: str
    failures: int = 0
    problem: str = ""

    @property
    def exhausted(self) -> bool:
        return self.failures >= MOST_FAILURES

    def failed(self, problem: str) -> "Attempts":
        return Attempts(self.message_id, self.failures + 1, problem[:LONGEST_PROBLEM])

    def given_back(self, problem: str) -> "Attempts":
        return Attempts(self.message_id, self.failures, problem[:LONGEST_PROBLEM])

    def to_document(self) -> dict[str, Any]:
        return {"message": self.message_id, "failures": self.failures, "problem": self.problem}


def attempts_of(document: Mapping[str, Any] | None, message_id: str) -> Attempts:
    """What `jobs/<id>/attempt.json` says of this message."""
    if document is None or document.get("message") != message_id:
        return Attempts(message_id)
    return Attempts(message_id, int(document["failures"]), str(document["problem"]))
