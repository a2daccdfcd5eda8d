"""Runs the Pulumi CLI: never asking anything, with its progress as events and its errors without its noise."""

import contextlib
import json
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from scripts import children
from scripts.exit_codes import CommandError
from scripts.pulumi_events import NOISE, Update
from scripts.silence import Silence

SHORT_SECONDS = 60.0
LOOK_SECONDS = 1800.0  # a refresh of a large stack on AWS asks about each resource
SILENCE_SECONDS = 120.0  # between two events; locally nothing takes a tenth of that
STOP_SECONDS = 20.0  # for what is being created at this moment: the CLI writes it into its state, then ends

Report = Callable[[str], None]


class PulumiError(CommandError):
    """The Pulumi CLI failed; the text is what the program or the provider said."""


@dataclass(frozen=True)
class Pulumi:
    """The CLI at `path`, run in the project's folder with exactly `environ`."""

    path: Path
    root: Path
    environ: Mapping[str, str]
    silence_seconds: float = SILENCE_SECONDS

    def select(self, stack: str) -> None:
        """Make sure that the stack exists; creates an empty one."""
        self._ask("stack", "select", "--create", stack)

    def outputs(self, stack: str) -> dict[str, Any]:
        """The stack's outputs, as they were at the end of the last run. Raises PulumiError."""
        document: dict[str, Any] = json.loads(self._ask("stack", "output", "--json", "--stack", stack))
        return document

    def cancel(self, stack: str) -> None:
        """Remove the lock of a run that was killed."""
        self._ask("cancel", "--yes", "--stack", stack)

    def up(self, stack: str, report: Report, *, refresh: bool = False, pack: Path | None = None) -> Update:
        """Create and change what the program wants. Raises PulumiError; interrupted, it stops in good order.

        Args:
            pack: a policy pack, whose mandatory rules stop it.
        """
        options = [*(["--refresh"] if refresh else []), *(["--policy-pack", str(pack)] if pack else [])]
        return self._update(["up", "--skip-preview", *options, "--stack", stack], report)

    def destroy(self, stack: str, report: Report) -> Update:
        """Delete everything in the stack; the same rules as `up`."""
        return self._update(["destroy", "--skip-preview", "--stack", stack], report)

    def preview(self, stack: str) -> dict[str, Any]:
        """What `up` would do, as `pulumi preview --json` says it, unchanged resources too. Raises PulumiError."""
        return self._look("preview", "--show-sames", "--stack", stack)

    def look_for_drift(self, stack: str) -> dict[str, Any]:
        """What `refresh` would take over, in the same form. Raises PulumiError."""
        return self._look("refresh", "--preview-only", "--stack", stack)

    def remove(self, stack: str) -> None:
        """Forget a stack that has no resources any more, with its history. Raises PulumiError."""
        self._ask("stack", "rm", stack, "--yes", "--preserve-config")

    def _ask(self, *arguments: str) -> str:
        answer = self._answer(SHORT_SECONDS, *arguments)
        if answer.returncode != 0:
            raise PulumiError(f"pulumi {' '.join(arguments)}: {plain(answer.stderr)}")
        return answer.stdout

    def _look(self, *arguments: str) -> dict[str, Any]:
        """The document that a command prints with --json; what it says of errors, if it fails."""
        answer = self._answer(LOOK_SECONDS, *arguments, "--json")
        document = _document(answer.stdout)
        if answer.returncode != 0 or document is None:
            said = [each["message"] for each in (document or {}).get("diagnostics", []) if each["severity"] == "error"]
            useful = [text.strip() for text in dict.fromkeys(said) if not text.lower().startswith(NOISE)]
            raise PulumiError("\n".join(useful) or f"pulumi {arguments[0]}: {plain(answer.stderr or answer.stdout)}")
        return document

    def _answer(self, seconds: float, *arguments: str) -> "subprocess.CompletedProcess[str]":
        try:
            command = [str(self.path), *arguments, "--non-interactive"]
            return children.run(command, seconds, cwd=self.root, env=dict(self.environ))
        except subprocess.TimeoutExpired as error:
            text = f"pulumi {' '.join(arguments)} gave no answer within {seconds:g} s"
            raise PulumiError(f"{text}; try it yourself in {self.root}") from error

    def _update(self, arguments: Sequence[str], report: Report) -> Update:
        update = Update()
        with tempfile.TemporaryFile("w+", errors="replace") as said:
            with (
                self._started([*arguments, "--yes", "--non-interactive", "--json"], said) as child,
                Silence(child, self.silence_seconds, STOP_SECONDS) as silence,
            ):
                _follow(child, update, report, silence.heard)
                status = child.wait()
            if silence.too_long:
                raise PulumiError(_hung(arguments[0], self.silence_seconds, update))
            said.seek(0)
            if status != 0:
                raise PulumiError(_failure(arguments[0], status, update, said.read()))
        return update

    def _started(self, arguments: Sequence[str], errors: IO[str]) -> AbstractContextManager[children.Child]:
        command, place = [str(self.path), *arguments], {"cwd": self.root, "env": dict(self.environ)}
        return children.started(command, end_in_order, **place, stdout=subprocess.PIPE, stderr=errors)


def end_in_order(child: subprocess.Popen[str], seconds: float = STOP_SECONDS) -> None:
    """SIGINT makes the CLI finish and record what is under way, then end; else it is killed with its children."""
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGINT)
    try:
        child.communicate(timeout=seconds)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C means it
        children.kill(child)


def plain(text: str) -> str:
    """What the CLI printed on standard error, without its own marks, warnings and empty lines."""
    lines = [line.rstrip() for line in text.splitlines()]
    kept = [line.removeprefix("error: ") for line in lines if line and not line.startswith(("warning: ", "info: "))]
    return "\n".join(kept) or "it failed without a word"


def _follow(child: subprocess.Popen[str], update: Update, report: Report, heard: Callable[[], None]) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        heard()
        with contextlib.suppress(ValueError):  # a line that is no event
            update.take(json.loads(line))
            if text := update.text():
                report(text)


def _document(text: str) -> dict[str, Any] | None:
    """The JSON object in what the CLI printed: a warning may stand before it."""
    try:
        found = json.loads(text[text.index("{") :])
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _hung(verb: str, seconds: float, update: Update) -> str:
    doing = ", ".join(update.under_way.values()) or "the program was running"
    return (
        f"pulumi {verb} made no progress for {seconds:g} s while {doing}, and was ended; see `warmfleet logs provider` "
        "and `warmfleet logs aws`, then run the same command again"
    )


def _failure(verb: str, status: int, update: Update, said: str) -> str:
    errors = list(dict.fromkeys(update.errors))
    return "\n".join(errors) if errors else f"pulumi {verb} ended with status {status}: {plain(said)}"
