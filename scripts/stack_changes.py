"""What a preview would change, and what of it loses data. Reads the JSON that `pulumi preview --json` prints. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What these hold cannot be made again by an `up`.
STATEFUL = {
    "aws:s3/bucket:Bucket": "its objects",
    "aws:kms/key:Key": "everything that it has encrypted",
    "aws:sqs/queue:Queue": "its messages",
    "aws:ssm/parameter:Parameter": "its value and history",
    "aws:cloudwatch/logGroup:LogGroup": "its logs",
    "aws:ebs/volume:Volume": "its data",
    "aws:dynamodb/table:Table": "its items",
    "aws:rds/instance:Instance": "its databases",
    "aws:efs/fileSystem:FileSystem": "its files",
    "aws:secretsmanager/secret:Secret": "its value",
}
LOSING = ("delete", "replace", "delete-replaced", "create-replacement", "discard")
REPLACING = ("replace", "delete-replaced", "create-replacement")
QUIET = ("same", "read", "refresh")


@dataclass(frozen=True)
class Change:
    """One resource that would change. `why` names the properties."""

    op: str
    type: str
    name: str
    why: tuple[str, ...] = ()

    @property
    def loses(self) -> str:
        """What would be lost with it; empty when nothing would."""
        return STATEFUL.get(self.type, "") if self.op in LOSING else ""

    def __str__(self) -> str:
        why = f" ({', '.join(self.why)})" if self.why else ""
        return f"{self.op} {self.type.rpartition(':')[2]} {self.name}{why}"


def changes(document: Mapping[str, Any]) -> list[Change]:
    """Every resource that would change, one of our components apart, each once."""
    found: dict[str, Change] = {}
    for step in document.get("steps", []):
        state = step.get("newState") or step.get("oldState") or {}
        if step["op"] in QUIET or not state.get("custom", False) or str(state.get("type")).startswith("pulumi:"):
            continue
        op = "replace" if step["op"] in REPLACING else step["op"]
        why = step.get("replaceReasons") or step.get("diffReasons") or ()
        found.setdefault(step["urn"], Change(op, state["type"], step["urn"].rpartition("::")[2], tuple(why)))
    return list(found.values())


def losses(found: Sequence[Change]) -> list[Change]:
    """Those that lose data."""
    return [each for each in found if each.loses]


def in_words(found: Sequence[Change]) -> str:
    """`3 create, 1 update`, or `no change`."""
    counted = Counter(each.op for each in found)
    return ", ".join(f"{count} {op}" for op, count in sorted(counted.items())) or "no change"
