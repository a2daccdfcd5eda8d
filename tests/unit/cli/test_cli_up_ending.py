"""How `up` waits for its node, and what it shows when it has an answer."""

import importlib.metadata
import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from inference_service.artifacts import FileEntry, Manifest
from scripts.default_model import default_model
from scripts.exit_codes import CommandError
from scripts.fleet_reading import Reading
from scripts.fleet_state import FleetState, Group, Node, Trouble
from scripts.gateway_client import Answer
from scripts.progress import Finished, Step
from scripts.serving import STUCK_SECONDS, Active, wait_until_warm
from scripts.stack_target import StackTarget
from scripts.up_summary import Summary, as_json, as_table, curl_line, sdk_snippet

URL = "http://127.77.255.1:8080"
PHASES = {"launch": 1.5, "boot": 0.1, "download": 0.4, "verify": 0.2, "cache": None, "load": 0.6, "probe": None}
NODE = Node(
    "i-1", "tiny", "g6.xlarge", "spot", "us-east-1a", "InService", "ready", "v1", routable=True, warm_up_seconds=PHASES
)
COMING = replace(NODE, state="loading", lifecycle="Pending:Wait", routable=False)
GROUP = Group("tiny-spot", "spot", desired=1, most=4, in_service=1, instances=1)
TARGET = cast(StackTarget, None)
SUMMARY = Summary(
    url=URL,
    key="wf-1-secret",
    model="tiny",
    active=Active(Manifest("tiny", "v1", (FileEntry("m.gguf", 64, "ab" * 32),)), "cd" * 32),
    node=NODE,
    answer=Answer("It balances.", "tiny", "v1", 3, 0.1, 0.4),
    steps=(Finished("provision", 3.2, "no change (41 resources)"),),
    changed=False,
)


class World:
    """What is read, one reading after the other, on a clock that each pause moves on."""

    def __init__(self, *readings: Reading, pause: float = 1.0) -> None:
        self.readings, self.pause, self.now = list(readings), pause, 0.0
        self.said: list[str] = []
        self.step = Step("warm node", 0.0, self.said.append)

    def wait(self, seconds: float) -> Node:
        return wait_until_warm(
            TARGET, "tiny", self.step, wait_seconds=seconds, look=self.look, clock=lambda: self.now, sleep=self.sleep
        )

    def look(self, _: StackTarget) -> Reading:
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]

    def sleep(self, _: float) -> None:
        self.now += self.pause


def reading(*nodes: Node, silence: str | None = None, troubles: tuple[Trouble, ...] = ()) -> Reading:
    return Reading((FleetState("tiny", (GROUP,), nodes, current="v1"),), None, silence, troubles)


def test_waiting_says_what_it_waits_for_and_ends_with_the_warm_node() -> None:
    world = World(reading(), reading(COMING), reading(NODE))
    assert world.wait(60) == NODE
    assert world.said[1] == "i-1 (spot, us-east-1a): loading"


def test_a_node_of_another_version_is_not_taken() -> None:
    world = World(reading(replace(NODE, version="v0")))
    with pytest.raises(CommandError, match="with version v0; v1 is active"):
        world.wait(5)


def test_a_node_whose_launch_hook_is_not_completed_is_not_taken() -> None:
    world = World(reading(replace(NODE, lifecycle="Pending:Wait")), reading(NODE))
    assert world.wait(60) == NODE
    assert world.now == 1


def test_after_the_time_is_over_every_reason_and_the_logs_are_named() -> None:
    world = World(reading(COMING, silence="connection refused"))
    with pytest.raises(CommandError) as caught:
        world.wait(5)
    text = str(caught.value)
    assert "no node of tiny is warm after 6 s" in text
    assert "the gateway gives no report: connection refused" in text
    assert "loading" in text
    assert "`warmfleet logs i-1`" in text


def test_trouble_that_stays_ends_the_waiting_early_and_trouble_that_goes_does_not() -> None:
    taken = (Trouble("load balancer", "port 8080 is taken", "free it"),)
    stays = World(reading(COMING, troubles=taken))
    with pytest.raises(CommandError, match="port 8080 is taken; free it"):
        stays.wait(3600)
    assert stays.now <= STUCK_SECONDS + 2
    goes = World(reading(COMING, troubles=taken), reading(COMING), reading(NODE), pause=STUCK_SECONDS - 1)
    assert goes.wait(3600) == NODE


def test_the_curl_line_is_one_shell_line_with_valid_json() -> None:
    words = shlex.split(curl_line(URL, "wf-1-secret", "tiny"))
    assert words[:3] == ["curl", "-sSN", URL + "/v1/chat/completions"]
    assert json.loads(words[-1])["model"] == "tiny"


def test_the_sdk_snippet_is_valid_python_for_the_gateway() -> None:
    first, *code, last = sdk_snippet(URL, "wf-1-secret", "tiny").splitlines()
    assert (first, last) == (".venv/bin/python - <<'END'", "END")
    compile("\n".join(code), "snippet", "exec")
    assert f'base_url="{URL}/v1"' in "\n".join(code)


def test_the_table_has_every_phase_and_both_hashes() -> None:
    console = Console(width=120, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(as_table(SUMMARY))
    text = console.export_text()
    console.file.close()
    for expected in (
        "launch",
        "1.50",
        "boot",
        "0.10",
        "download",
        "0.40",
        "verify",
        "0.20",
        "load",
        "0.60",
        "probe",
        "?",
        "2.80",
    ):
        assert expected in text
    assert "cd" * 32 in text
    assert "ab" * 32 in text


def test_the_json_has_what_the_table_has() -> None:
    document: dict[str, Any] = json.loads(json.dumps(as_json(SUMMARY)))
    assert document["warm_up_seconds"] == PHASES
    assert (document["version"], document["manifest_sha256"]) == ("v1", "cd" * 32)
    assert document["files"] == [{"path": "m.gguf", "bytes": 64, "sha256": "ab" * 32}]
    assert document["answer"]["text"] == "It balances."
    assert document["steps"] == [{"name": "provision", "seconds": 3.2, "result": "no change (41 resources)"}]
    assert document["changed"] is False


def test_the_default_model_is_a_gguf_that_is_there() -> None:
    path = default_model()
    assert path.suffix == ".gguf"
    assert path.read_bytes()[:4] == b"GGUF"


def test_a_missing_model_package_or_file_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match=r"no-such-package.* is not installed; `make \.venv`"):
        default_model("no-such-package")
    gone = tmp_path / "gone.gguf"
    listed = importlib.metadata.PackagePath("gone.gguf")
    listed.dist = cast(Any, type("Dist", (), {"locate_file": staticmethod(lambda _: gone)}))
    monkeypatch.setattr(importlib.metadata, "files", lambda _: [listed])
    with pytest.raises(CommandError, match=r"gone\.gguf is missing; remove \.venv"):
        default_model()
