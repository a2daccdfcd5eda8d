"""Reads the events that `pulumi up --json` and `pulumi destroy --json` print, one JSON object a line.

The engine's event types: https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/apitype#EngineEvent
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

QUIET = ("same", "read")  # nothing is done to these resources
DOING = {"create": "creating", "update": "updating", "delete": "deleting", "refresh": "reading"}
DONE = {"create": "created", "update": "updated", "delete": "deleted", "replace": "replaced", "refresh": "read"}
STACK_TYPE = "pulumi:pulumi:Stack"
NOISE = ("update failed", "preview failed", "destroy failed", "resource monitor shut down", "step application failed")


@dataclass
class Update:
    """What a run has done so far. `outputs` are the stack's, empty until the program has registered them."""

    counts: Counter[str] = field(default_factory=Counter)
    under_way: dict[str, str] = field(default_factory=dict)  # URN: what is being done
    outputs: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    summary: dict[str, int] | None = None

    def take(self, event: Mapping[str, Any]) -> None:
        """Fold one event in; unknown kinds are passed over."""
        if pre := event.get("resourcePreEvent"):
            self._begin(pre["metadata"])
        elif done := event.get("resOutputsEvent"):
            self._finish(done["metadata"])
        elif failed := event.get("resOpFailedEvent"):
            self.under_way.pop(failed["metadata"]["urn"], None)
        elif diagnostic := event.get("diagnosticEvent"):
            self._note(diagnostic)
        elif summary := event.get("summaryEvent"):
            self.summary = dict(summary.get("resourceChanges") or {})

    @property
    def changes(self) -> int:
        """How many resources were created, changed, replaced or deleted."""
        counted = self.counts if self.summary is None else self.summary
        return sum(count for operation, count in counted.items() if operation not in QUIET)

    def text(self) -> str:
        """What has been done and what is being done, in one line."""
        done = [f"{count} {DONE.get(name, name)}" for name, count in self.counts.items() if name not in QUIET]
        if self.counts["same"]:
            done.append(f"{self.counts['same']} unchanged")
        doing = list(self.under_way.values())[-1:]  # the one that began last
        return "; ".join(part for part in (", ".join(done), *doing) if part)

    def result(self) -> str:
        """The finished run in words."""
        if not self.changes:
            return f"no change ({sum((self.summary or self.counts).values())} resources)"
        counted = self.summary or self.counts
        done = [f"{count} {DONE.get(name, name)}" for name, count in sorted(counted.items()) if name not in QUIET]
        return ", ".join(done)

    def _begin(self, metadata: Mapping[str, Any]) -> None:
        if metadata["op"] not in QUIET:
            doing = DOING.get(metadata["op"], metadata["op"])
            self.under_way[metadata["urn"]] = f"{doing} {name_of(metadata['urn'])}"

    def _finish(self, metadata: Mapping[str, Any]) -> None:
        self.under_way.pop(metadata["urn"], None)
        self.counts[metadata["op"]] += 1
        if metadata["type"] == STACK_TYPE and metadata.get("new"):
            self.outputs = dict(metadata["new"].get("outputs") or {})

    def _note(self, diagnostic: Mapping[str, Any]) -> None:
        text = str(diagnostic.get("message", "")).strip()
        if diagnostic.get("severity") != "error" or not text or text.lower().startswith(NOISE):
            return
        urn = str(diagnostic.get("urn") or "")
        self.errors.append(f"{name_of(urn)}: {text}" if urn and STACK_TYPE not in urn else text)


def name_of(urn: str) -> str:
    """The type's last part and the name: "Bucket models" for a URN of aws:s3/bucket:Bucket."""
    parts = urn.split("::")
    return f"{parts[2].split('$')[-1].split(':')[-1]} {parts[-1]}" if len(parts) >= 4 else urn
