"""The language host as the CLI starts it, and a client in the CLI's place."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    language_pb2,
    language_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)

from localcloud.environment import language_host_folder

ROOT = Path(__file__).parents[3]
SECONDS = 20


class Log(engine_pb2_grpc.EngineServicer):
    """The engine's log, and the little of a monitor that an empty program needs."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.root = ""

    def Log(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's name)
        if request.severity != engine_pb2.DEBUG:
            self.lines.append(request.message)
        return empty_pb2.Empty()


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    def SupportsFeature(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's name)
        return resource_pb2.SupportsFeatureResponse(hasSupport=False)

    def RegisterResource(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's name)
        urn = f"urn:pulumi:local::test::{request.type}::{request.name}"
        return resource_pb2.RegisterResourceResponse(urn=urn)

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's name)
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "older engines have no such call")

    def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's name)
        return empty_pb2.Empty()

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: N802 (gRPC's name)
        return empty_pb2.Empty()


@pytest.fixture
def engine() -> Iterator[tuple[Log, str]]:
    server, log = grpc.server(ThreadPoolExecutor(4)), Log()
    engine_pb2_grpc.add_EngineServicer_to_server(log, server)
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(Monitor(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield log, f"127.0.0.1:{port}"
    server.stop(grace=None).wait()


@dataclass
class Host:
    """A running language host, in a process group of its own as under the CLI."""

    process: "subprocess.Popen[str]"
    stub: Any
    program: Path
    log: Log
    engine: str

    def request(self, code: str, **more: Any) -> Any:
        (self.program / "__main__.py").write_text(code)
        folder = str(self.program)
        info = language_pb2.ProgramInfo(root_directory=folder, program_directory=folder, entry_point=".")
        info.options.update(more.pop("options", {}))
        more = {"monitor_address": self.engine, "parallel": 4} | more
        return language_pb2.RunRequest(project="test", stack="local", pwd=folder, info=info, **more)

    def run(self, code: str, **more: Any) -> Any:
        return self.stub.Run(self.request(code, **more), timeout=SECONDS)


def host_environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/.warmfleet/pulumi",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "PULUMI_LANGHOST_PYTHON": sys.executable,
    }


@pytest.fixture
def start_host(tmp_path: Path, engine: tuple[Log, str]) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def start(**changes: str) -> "subprocess.Popen[str]":
        command = [str(language_host_folder() / "pulumi-language-python"), engine[1]]
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        environ = host_environment(tmp_path) | changes
        started.append(subprocess.Popen(command, env=environ, cwd=tmp_path, text=True, process_group=0, **streams))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.__exit__(None, None, None)  # waits, and closes its streams


@pytest.fixture
def host(start_host: Callable[..., "subprocess.Popen[str]"], tmp_path: Path, engine: tuple[Log, str]) -> Iterator[Host]:
    process = start_host()
    assert process.stdout is not None
    port = int(process.stdout.readline())
    program = tmp_path / "program"
    program.mkdir()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Host(process, language_pb2_grpc.LanguageRuntimeStub(channel), program, *engine)
