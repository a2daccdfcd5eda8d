"""From nothing to an answer and back to nothing: `make up`, what it printed, again, plain Pulumi, `make down`.

The real CLI, engine, processes and model. It runs in a copy of the repository, from a shell full of poisoned AWS
settings: whatever follows one of them, or connects to anything but loopback, fails the journey. One test, because each
part stands on the one before.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import psutil
import pytest
from connection_watch import ConnectionWatch
from scratch_checkout import Checkout, scratch_checkout
from trap import Trap, poisoned, sprung

from inference_service import contract
from localcloud import control
from localcloud.environment import aws_environment
from localcloud.places import Places
from localcloud.processes import marked

MODEL_SHA256 = "b179c952"  # how the SHA-256 of the packaged model begins
SECONDS = 240.0
HOLD = """
import mmap, sys
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as held:
    print(len(held), flush=True)
    sys.stdin.read()
"""


@dataclass
class Journey:
    """The copy, and the guards around it."""

    checkout: Checkout
    trap: Trap
    watch: ConnectionWatch
    home: Path

    @property
    def root(self) -> Path:
        return self.checkout.root

    def make(self, target: str) -> str:
        return self.checkout.run("make", "--no-print-directory", target, seconds=SECONDS).stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.checkout.warmfleet(*arguments, "--json", seconds=SECONDS).stdout)

    def shell(self, script: str) -> str:
        """A script as a user pastes it, in the repository's folder."""
        return self.checkout.run("bash", "-euc", script, seconds=60).stdout


@pytest.fixture
def journey(tmp_path: Path) -> Iterator[Journey]:
    home = tmp_path / "home"
    plain = scratch_checkout(tmp_path / "warmfleet", os.environ)
    with Trap() as trap, ConnectionWatch(Places.of(plain.root).folder) as watch:
        checkout = Checkout(plain.root, poisoned(plain.environ, home, trap))
        try:
            yield Journey(checkout, trap, watch, home)
        finally:
            control.stop(plain.root, report=print)


@pytest.mark.journey
@pytest.mark.timeout(600)
def test_make_up_leads_from_nothing_to_an_answer_and_make_down_back_to_nothing(journey: Journey) -> None:
    before = journey.checkout.files()
    (journey.root / "build" / "service" / "planner.zip").unlink(missing_ok=True)  # the copy's; a fresh clone has none

    printed = journey.make("up")
    facts = journey.json("up")
    assert_the_answer_is_a_models(facts["answer"])
    assert_everything_is_shown(printed, facts)
    assert facts["changed"] is False, "the second up changed something"
    assert_the_node_serves_what_the_bucket_holds(journey, facts)
    assert_what_was_printed_works_when_pasted(journey, facts)
    assert_pulumi_finds_nothing_to_do(journey)
    assert_ask_and_status(journey, facts)

    journey.make("down")
    assert list(marked(Places.of(journey.root).folder)) == []
    assert not (journey.root / ".warmfleet").exists()
    assert journey.checkout.files() - before == set()
    assert "nothing" in journey.make("down")

    assert sprung(journey.trap, journey.home) == []
    assert journey.watch.outside == set()
    assert journey.watch.looks > 50, "the watch was not watching"
    assert journey.watch.local, "the watch saw no connection at all"


def assert_the_answer_is_a_models(answer: dict[str, Any]) -> None:
    assert answer["text"].strip()
    assert answer["tokens"] > 1, "an answer of one token shows no streaming"


def assert_everything_is_shown(printed: str, facts: dict[str, Any]) -> None:
    """Warm-up phases, version and hash, the gateway's address, two ways to ask."""
    for phase in contract.WARM_UP_PHASES:
        assert re.search(rf"{phase}\s+\d+\.\d\d", printed), f"no seconds for {phase} in:\n{printed}"
    for text in (facts["version"], facts["files"][0]["sha256"], facts["gateway_url"], facts["curl"], facts["python"]):
        assert text in printed


def assert_the_node_serves_what_the_bucket_holds(journey: Journey, facts: dict[str, Any]) -> None:
    """The file in the engine's memory has the hash that the manifest in the provisioned bucket gives it."""
    with urlopen(facts["gateway_url"] + contract.PATH_FLEET, timeout=10) as answer:
        (node,) = json.load(answer)["nodes"]
    pid = node["report"]["pid"]
    assert psutil.Process(pid).cmdline()[1:3] == ["-m", "inference_service.node"]
    (path,) = mapped_weights(pid)
    mapped = hashlib.sha256(path.read_bytes()).hexdigest()

    outputs = pulumi(journey, "stack output --json --stack local")
    bucket = json.loads(outputs)[contract.OUTPUT_BUCKET]
    manifest = json.loads(s3_object(journey.root, bucket, manifest_key(facts)))
    assert [(file["path"], file["sha256"]) for file in manifest["files"]] == [(path.name, mapped)]
    assert mapped.startswith(MODEL_SHA256)


def mapped_weights(pid: int) -> set[Path]:
    """The weight files that a process has mapped, each proven by device and inode to be the one at its path."""
    found = set()
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        name = fields[5].removesuffix(" (deleted)") if len(fields) == 6 else ""
        if name.endswith(".gguf"):
            there = os.stat(name)
            device = f"{os.major(there.st_dev):02x}:{os.minor(there.st_dev):02x}"
            assert (fields[3], int(fields[4])) == (device, there.st_ino), f"{name} was replaced"
            found.add(Path(name))
    return found


def manifest_key(facts: dict[str, Any]) -> str:
    return contract.model_prefix(facts["model"], facts["version"]) + contract.MANIFEST_NAME


def s3_object(root: Path, bucket: str, key: str) -> bytes:
    state = control.running(root)
    assert state is not None
    environ = aws_environment(state, {})
    session = boto3.Session(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], region_name=state.region)
    s3 = session.client("s3", endpoint_url=state.endpoint_url)
    return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def assert_what_was_printed_works_when_pasted(journey: Journey, facts: dict[str, Any]) -> None:
    no_proxy = (
        "unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy\n"  # a user's own proxy is not ours to mend
    )
    streamed = journey.shell(no_proxy + facts["curl"])
    assert streamed.count("data: {") > 1
    assert streamed.rstrip().endswith("data: [DONE]")
    assert journey.shell(no_proxy + facts["python"]).strip()


def pulumi(journey: Journey, arguments: str) -> str:
    """Plain Pulumi, as the README says."""
    return journey.shell(f'eval "$(.venv/bin/warmfleet env)"\npulumi {arguments} --non-interactive')


def assert_pulumi_finds_nothing_to_do(journey: Journey) -> None:
    pulumi(journey, "preview --stack local --expect-no-changes")
    pulumi(journey, "refresh --stack local --yes --skip-preview --expect-no-changes")


def assert_ask_and_status(journey: Journey, facts: dict[str, Any]) -> None:
    answer = journey.json("ask", "What is water?")
    assert answer["answer"].strip()
    assert (answer["model"], answer["version"]) == (facts["model"], facts["version"])
    (fleet,) = journey.json("status")["fleets"]
    assert fleet["missing"] == []
    assert [(node["market"], node["lifecycle"], node["state"]) for node in fleet["nodes"]] == [
        ("spot", "InService", "ready")
    ]


def test_hashing_what_is_mapped_notices_a_replaced_file(tmp_path: Path) -> None:
    """The check on the engine's file can fail: a file that is mapped, then replaced at its path, is found out."""
    path = tmp_path / "model.gguf"
    path.write_bytes(b"a" * 8192)
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == b"8192"
        assert mapped_weights(child.pid) == {path}
        replacement = tmp_path / "other.gguf"
        replacement.write_bytes(b"b" * 8192)
        replacement.rename(path)
        with pytest.raises(AssertionError, match="was replaced"):
            mapped_weights(child.pid)
    finally:
        child.communicate(timeout=10)
