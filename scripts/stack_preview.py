"""Looks at what a stack's program would do, and asks every rule about it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.policies.rule import Finding, findings
from infra.policies.rules import every_rule
from scripts.exit_codes import FINDING, CommandError
from scripts.policy_check import read_resources
from scripts.pulumi_runs import Pulumi
from scripts.stack_changes import Change, changes, in_words, losses


@dataclass(frozen=True)
class Preview:
    """What would change, and what the rules say of the whole stack as it would be."""

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> list[Finding]:
        return [each for each in self.findings if each.mandatory]

    @property
    def losses(self) -> list[Change]:
        return losses(self.changes)

    def in_words(self) -> str:
        """One line."""
        said = [in_words(self.changes)]
        said += [f"{len(self.refused)} refused"] if self.refused else []
        said += [f"{len(self.losses)} would lose data"] if self.losses else []
        return "; ".join(said)


def look(pulumi: Pulumi, stack: str) -> Preview:
    """Preview a stack. Raises PulumiError: the program or the provider refuses."""
    document: dict[str, Any] = pulumi.preview(stack)
    resources = read_resources(Path(f"the preview of {stack}"), document)
    return Preview(tuple(changes(document)), tuple(findings(every_rule(), resources)))


def refuse(seen: Preview, stack: str, lose_data: bool) -> None:
    """Return if the stack may be changed so.

    Raises:
        CommandError: a mandatory rule is broken, or data would be lost without `lose_data` (exit code 2).
    """
    if seen.refused:
        said = "\n".join(f"  {each.resource}: {each.message}" for each in seen.refused)
        raise CommandError(f"nothing was changed; stack {stack} breaks {len(seen.refused)} rules:\n{said}")
    if seen.losses and not lose_data:
        said = "\n".join(f"  {each}: {each.loses}" for each in seen.losses)
        raise CommandError(
            f"nothing was changed; this would lose data, add --lose-data if you mean it:\n{said}", FINDING
        )
