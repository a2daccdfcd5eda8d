"""A real node process against moto's S3, played instance metadata and a played Auto Scaling endpoint."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs

import boto3
import pytest
from moto.server import ThreadedMotoServer

from inference_service import contract
from inference_service.artifacts import ArtifactStore, activate, publish

BUCKET, GROUP, HOOKS = "models-bucket", "spot-group", {"launch": "warm", "terminate": "drained"}
GGUF = b"GGUF" + bytes(range(256)) * 4000


class Edge(ThreadingHTTPServer):
    """Instance metadata by GET and PUT, Auto Scaling by POST: paths can be changed, calls are kept."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), EdgeHandler)
        pending = (datetime.now(UTC) - timedelta(seconds=30)).isoformat(timespec="seconds")
        self.calls: list[dict[str, str]] = []
        self.paths = {
            "meta-data/instance-id": "i-1",
            f"meta-data/tags/instance/{contract.TAG_GROUP}": GROUP,
            "dynamic/instance-identity/document": json.dumps({"pendingTime": pending}),
            "meta-data/autoscaling/target-lifecycle-state": "InService",
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class EdgeHandler(BaseHTTPRequestHandler):
    server: Edge

    def do_PUT(self) -> None:
        self.answer(200, "token")

    def do_GET(self) -> None:
        text = self.server.paths.get(self.path.removeprefix("/latest/"))
        allowed = self.headers.get("X-aws-ec2-metadata-token") == "token"
        self.answer(401 if not allowed else 404 if text is None else 200, text or "")

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        call = {name: values[0] for name, values in form.items()}
        self.server.calls.append(call)
        name = call["Action"]
        self.answer(200, f"<{name}Response><{name}Result/></{name}Response>")

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        pass


@dataclass
class Cloud:
    """What a node finds around it."""

    store: ArtifactStore
    edge: Edge
    environment: dict[str, str]
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def publish(self, content: bytes) -> str:
        (self.folder / "m.gguf").write_bytes(content)
        return publish(self.store, "m", [self.folder / "m.gguf"], progress=lambda _: None).version

    def start(self, **variables: str) -> "Node":
        log = self.folder / f"node-{len(self.processes)}.log"
        with log.open("wb") as output:
            command = [sys.executable, "-m", "inference_service.node"]
            environment = self.environment | variables
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        self.processes.append(process)
        return Node(process, log)


@dataclass
class Node:
    """A node process, asked over HTTP at the address that it logs."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return "http://" + next(line["address"] for line in lines if line["event"] == "listening")

    def report(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(self.url + contract.PATH_READY, timeout=5) as answer:
                return {**json.load(answer), "status": answer.status}
        except HTTPError as error:
            return {**json.load(error), "status": error.code}

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                if condition(seen := self.report()):
                    return seen
            except (StopIteration, URLError, ValueError):
                pass
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def ask(self, text: str) -> Any:
        body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": text}]}).encode()
        return urllib.request.urlopen(self.url + contract.PATH_CHAT_COMPLETIONS, body, timeout=20)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    moto, edge = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False), Edge()
    moto.start()
    threading.Thread(target=edge.serve_forever, args=(0.02,), daemon=True).start()
    host, port = moto.get_host_and_port()
    keys = {"aws_access_key_id": "made-up", "aws_secret_access_key": "made-up"}
    s3 = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", **keys)
    s3.create_bucket(Bucket=BUCKET)
    environment = {
        **{name: os.environ[name] for name in ("PATH", "PYTHONPATH", "WARMFLEET_NETWORK_GUARD_LOG")},
        "AWS_ACCESS_KEY_ID": "made-up",
        "AWS_SECRET_ACCESS_KEY": "made-up",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ENDPOINT_URL_AUTO_SCALING": edge.url,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": edge.url,
        contract.VAR_ENVIRONMENT: "test",
        contract.VAR_REGION: "us-east-1",
        contract.VAR_BUCKET: BUCKET,
        contract.VAR_MODEL: "m",
        contract.VAR_ENGINE: "stub",
        contract.VAR_NODE_PORT: "0",
        contract.VAR_DATA_DIR: str(tmp_path / "data"),
        contract.VAR_LAUNCH_HOOK: HOOKS["launch"],
        contract.VAR_TERMINATE_HOOK: HOOKS["terminate"],
        contract.VAR_POINTER_POLL_SECONDS: "0.1",
        contract.VAR_METADATA_POLL_SECONDS: "0.1",
    }
    made = Cloud(ArtifactStore(s3, BUCKET), edge, environment, tmp_path)
    yield made
    for process in made.processes:
        process.kill()
        process.wait()
    edge.shutdown()
    edge.server_close()
    moto.stop()


def completions(cloud: Cloud) -> list[tuple[str, str, str]]:
    return [
        (call["LifecycleHookName"], call["AutoScalingGroupName"], call["InstanceId"])
        for call in cloud.edge.calls
        if call["Action"] == "CompleteLifecycleAction" and call["LifecycleActionResult"] == "CONTINUE"
    ]


def test_a_node_waits_for_a_pointer_then_warms_up_and_completes_its_launch_hook(cloud: Cloud):
    version = cloud.publish(GGUF)
    booted = time.time() - 10  # 20 s after the instance was pending
    node = cloud.start(**{contract.VAR_BOOTED_AT: f"{booted:.2f}"})
    waiting = node.until(lambda seen: "warmfleet models activate m" in (seen["error"] or ""))
    assert (waiting["state"], waiting["status"], waiting["instance_id"]) == ("downloading", 503, "i-1")
    assert completions(cloud) == []
    activate(cloud.store, "m", version)
    ready = node.until(lambda seen: seen["status"] == 200)
    assert (ready["version"], ready["manifest_sha256"]) == (version, cloud.store.manifest_sha256("m", version))
    assert all(ready["warm_up_seconds"][phase] is not None for phase in contract.WARM_UP_PHASES)
    assert 19 < ready["warm_up_seconds"]["launch"] < 30
    assert 10 <= ready["warm_up_seconds"]["boot"] < 40
    node.until(lambda _: completions(cloud) == [(HOOKS["launch"], GROUP, "i-1")])


def test_a_flipped_bit_in_the_bucket_keeps_the_node_out_of_service(cloud: Cloud):
    version = cloud.publish(GGUF)
    manifest = cloud.store.manifest("m", version)
    cloud.store.s3.put_object(Bucket=BUCKET, Key=f"models/m/{version}/m.gguf", Body=b"GGUE" + GGUF[4:])
    activate(cloud.store, "m", version)
    node = cloud.start()
    refused = node.until(lambda seen: "differs" in (seen["error"] or ""))
    assert refused["status"] == 503
    assert "m.gguf" in refused["error"]
    assert manifest.files[0].sha256 in refused["error"]
    assert refused["error"].count("SHA-256") == 1
    assert completions(cloud) == []
    activate(cloud.store, "m", cloud.publish(GGUF + b"good"))
    assert node.until(lambda seen: seen["status"] == 200)["error"] is None


def test_a_pointer_switch_is_followed_and_the_version_before_stays_on_disk(cloud: Cloud):
    versions = [cloud.publish(GGUF + extra) for extra in (b"1", b"2", b"3")]
    node = None
    for version in versions:
        activate(cloud.store, "m", version)
        node = node or cloud.start()
        node.until(lambda seen, version=version: seen["status"] == 200 and seen["version"] == version)
    kept = cloud.folder / "data" / "models" / "m"
    node.until(lambda _: sorted(path.name for path in kept.iterdir()) == sorted(versions[1:]))  # type: ignore[union-attr]


def test_a_restarted_node_verifies_its_disk_instead_of_downloading(cloud: Cloud):
    activate(cloud.store, "m", cloud.publish(GGUF))
    first = cloud.start()
    first.until(lambda seen: seen["status"] == 200)
    first.process.kill()
    first.process.wait()
    second = cloud.start()
    ready = second.until(lambda seen: seen["status"] == 200)
    fetched = [json.loads(line) for line in second.log.read_text().splitlines() if '"event": "fetched"' in line]
    assert [line["bytes"] for line in fetched] == [0]
    assert ready["warm_up_seconds"]["launch"] is None  # it is not its instance's first process


@pytest.mark.parametrize("how", ["hook", "signal", "spot"])
def test_a_node_that_has_to_leave_finishes_its_answer_first(cloud: Cloud, how: str):
    activate(cloud.store, "m", cloud.publish(GGUF))
    node = cloud.start(WARMFLEET_STUB_TOKEN_SECONDS="0.05")
    node.until(lambda seen: seen["status"] == 200)
    with node.ask("word " * 20) as answer:
        answer.readline()
        if how == "hook":
            cloud.edge.paths["meta-data/autoscaling/target-lifecycle-state"] = "Terminated"
        elif how == "signal":
            node.process.send_signal(signal.SIGTERM)
        else:
            soon = (datetime.now(UTC) + timedelta(seconds=8)).isoformat(timespec="seconds")
            cloud.edge.paths["meta-data/spot/instance-action"] = json.dumps({"action": "terminate", "time": soon})
        draining = node.until(lambda seen: seen["state"] == "draining")
        assert (draining["status"], draining["in_flight"]) == (503, 1)
        with pytest.raises(HTTPError, match="503"):
            node.ask("new work")
        assert answer.read().endswith(b"data: [DONE]\n\n")
    assert node.process.wait(15) == 0
    left = [call for call in completions(cloud) if call[0] == HOOKS["terminate"]]
    assert left == ([(HOOKS["terminate"], GROUP, "i-1")] if how == "hook" else [])


def test_a_stop_signal_before_the_node_knows_who_it_is_ends_it_in_order(cloud: Cloud):
    """Metadata is silent, so the node listens for seconds without anybody to drain it."""
    node = cloud.start(AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:9")
    node.until(lambda seen: seen["state"] == "downloading")
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(30) == 0


def test_an_instance_that_is_terminating_when_its_process_starts_downloads_nothing(cloud: Cloud):
    activate(cloud.store, "m", cloud.publish(GGUF))
    cloud.edge.paths["meta-data/autoscaling/target-lifecycle-state"] = "Terminated"
    node = cloud.start()
    assert node.process.wait(15) == 0
    assert completions(cloud) == [(HOOKS["terminate"], GROUP, "i-1")]
    assert not (cloud.folder / "data" / "models").exists()


def test_a_long_load_is_told_to_auto_scaling_by_heartbeats(cloud: Cloud):
    activate(cloud.store, "m", cloud.publish(GGUF))
    node = cloud.start(WARMFLEET_STUB_LOAD_SECONDS="1", WARMFLEET_HEARTBEAT_SECONDS="0.1")
    node.until(lambda seen: seen["status"] == 200)
    beats = [call for call in cloud.edge.calls if call["Action"] == "RecordLifecycleActionHeartbeat"]
    assert len(beats) >= 3
    assert {(call["LifecycleHookName"], call["InstanceId"]) for call in beats} == {(HOOKS["launch"], "i-1")}


def test_an_occupied_port_is_said_plainly(cloud: Cloud):
    activate(cloud.store, "m", cloud.publish(GGUF))
    first = cloud.start()
    first.until(lambda seen: seen["status"] == 200)
    port = first.url.rpartition(":")[2]
    second = cloud.start(WARMFLEET_NODE_PORT=port)
    assert second.process.wait(15) == 1
    assert f"127.0.0.1:{port}" in second.log.read_text()
    assert "Traceback" not in second.log.read_text()


def test_a_wrong_environment_is_told_at_once(cloud: Cloud):
    node = cloud.start(WARMFLEET_ENGINE="tgi", WARMFLEET_SLOTS="many")
    assert node.process.wait(15) == 64
    assert all(part in node.log.read_text() for part in ("WARMFLEET_ENGINE='tgi'", "WARMFLEET_SLOTS='many'"))
