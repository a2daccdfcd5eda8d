"""How runs of the Pulumi CLI are followed, reported, refused and interrupted. `pulumi` is a script here."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cli_checkout import Checkout

from scripts.pulumi_events import Update, name_of
from scripts.pulumi_runs import Pulumi, PulumiError, plain

URN = "urn:pulumi:local::warmfleet::warmfleet:fleet:GpuFleet$aws:autoscaling/group:Group::tiny-spot"
STACK = "urn:pulumi:local::warmfleet::pulumi:pulumi:Stack::warmfleet-local"


def event(kind: str, operation: str, urn: str = URN, **new: object) -> dict[str, object]:
    return {kind: {"metadata": {"op": operation, "urn": urn, "type": urn.split("::")[2].split("$")[-1], "new": new}}}


def folded(*events: dict[str, object]) -> Update:
    update = Update()
    for each in events:
        update.take(each)
    return update


def pulumi(checkout: Checkout) -> Pulumi:
    return Pulumi(checkout.bin / "pulumi", checkout.root, checkout.environ)


def prints(*events: dict[str, object], status: int = 0) -> str:
    lines = "\n".join(json.dumps(each) for each in events)
    return f"cat <<'END'\n{lines}\nEND\nexit {status}"


def test_a_resource_is_named_by_its_kind_and_name() -> None:
    assert name_of(URN) == "Group tiny-spot"


def test_progress_counts_what_is_done_and_names_what_is_being_done() -> None:
    update = folded(
        event("resourcePreEvent", "create"),
        event("resOutputsEvent", "create"),
        event("resourcePreEvent", "create", URN + "2"),
    )
    assert update.text() == "1 created; creating Group tiny-spot2"


def test_only_unchanged_resources_are_no_change() -> None:
    update = folded(event("resOutputsEvent", "same"), {"summaryEvent": {"resourceChanges": {"same": 41}}})
    assert (update.changes, update.result()) == (0, "no change (41 resources)")


def test_the_stacks_outputs_come_with_the_run() -> None:
    update = folded(event("resOutputsEvent", "create", STACK, outputs={"region": "us-east-1"}))
    assert update.outputs == {"region": "us-east-1"}


def test_errors_are_kept_as_the_program_said_them_and_the_engines_own_are_not() -> None:
    def error(message: str, urn: str = "") -> dict[str, object]:
        return {"diagnosticEvent": {"severity": "error", "message": message, "urn": urn}}

    update = folded(error("three things are wrong\n"), error("no such type", URN), error("update failed\n"))
    assert update.errors == ["three things are wrong", "Group tiny-spot: no such type"]


def test_unknown_events_and_lines_that_are_none_are_passed_over(checkout: Checkout) -> None:
    checkout.behaviour(
        "echo hello; " + prints({"brandNewEvent": {}}, {"summaryEvent": {"resourceChanges": {"create": 2}}})
    )
    assert pulumi(checkout).up("local", lambda _: None).changes == 2


def test_a_run_never_asks_and_reports_as_it_goes(checkout: Checkout) -> None:
    checkout.behaviour(prints(event("resourcePreEvent", "create"), event("resOutputsEvent", "create")))
    said: list[str] = []
    pulumi(checkout).up("local", said.append)
    assert said == ["creating Group tiny-spot", "1 created"]
    assert checkout.calls() == ["up --skip-preview --stack local --yes --non-interactive --json"]


def test_a_failed_run_raises_with_what_the_program_said_alone(checkout: Checkout) -> None:
    message = "3 settings are wrong in Pulumi.local.yaml"
    checkout.behaviour(prints({"diagnosticEvent": {"severity": "error", "message": message}}, status=255))
    with pytest.raises(PulumiError, match=f"^{message}$"):
        pulumi(checkout).up("local", lambda _: None)


def test_a_run_that_fails_before_its_first_event_is_quoted_from_stderr(checkout: Checkout) -> None:
    checkout.behaviour("echo 'error: the stack is currently locked' >&2; exit 255")
    with pytest.raises(PulumiError, match="ended with status 255: the stack is currently locked"):
        pulumi(checkout).destroy("local", lambda _: None)


def test_warnings_are_not_part_of_an_error() -> None:
    assert plain("warning: old\nerror: a\n  b\n\n") == "a\n  b"


@pytest.mark.parametrize("obeys", [True, False])
def test_an_interrupt_lets_the_cli_end_in_order_and_leaves_no_process(checkout: Checkout, obeys: bool) -> None:
    reaction = "touch in_order; exit 1" if obeys else ""
    checkout.behaviour(f"cd {checkout.root}; trap '{reaction}' INT\necho $$ >pid\nwhile :; do sleep 0.1; done")
    code = (
        "import os\nfrom pathlib import Path\nfrom scripts import pulumi_runs\nfrom scripts.pulumi_runs import Pulumi\n"
        "pulumi_runs.end_in_order.__defaults__ = (0.5,)\n"
        f"Pulumi(Path({str(checkout.bin / 'pulumi')!r}), Path('.'), os.environ).up('local', print)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=checkout.root, env=checkout.environ, stderr=subprocess.PIPE, text=True
    )
    started = checkout.root / "pid"
    deadline = time.monotonic() + 20
    while not (started.exists() and started.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    assert not Path(f"/proc/{started.read_text().strip()}").exists()
    assert (checkout.root / "in_order").exists() is obeys
    assert child.returncode == -signal.SIGINT


@pytest.mark.parametrize("obeys", [True, False])
def test_a_run_that_hangs_is_ended_and_says_what_it_was_doing(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, obeys: bool
) -> None:
    monkeypatch.setattr("scripts.pulumi_runs.STOP_SECONDS", 0.3)
    beginning = json.dumps(event("resourcePreEvent", "create"))
    checkout.behaviour(f"trap '{'exit 1' if obeys else ''}' INT; echo '{beginning}'; while :; do sleep 0.05; done")
    hanging = replace(pulumi(checkout), silence_seconds=0.3)
    with pytest.raises(PulumiError, match=r"no progress for 0\.3 s while creating Group tiny-spot, and was ended"):
        hanging.up("local", lambda _: None)
