"""The language host runs programs for a local cloud alone, and nothing outlives the CLI that started it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from pulumi.runtime.proto import language_pb2

SECONDS = 20
Start = Callable[..., "subprocess.Popen[str]"]
Host = Any  # of conftest.py


@pytest.mark.parametrize(
    "changes",
    [
        {"PULUMI_BACKEND_URL": "https://api.pulumi.com"},
        {"PULUMI_BACKEND_URL": ""},
        {"PULUMI_BACKEND_URL": "file:///var/states"},
        {"AWS_ENDPOINT_URL": ""},
        {"AWS_ENDPOINT_URL": "https://ec2.us-east-1.amazonaws.com"},
    ],
)
def test_it_refuses_to_run_beside_real_state_or_a_real_aws(start_host: Start, changes: dict[str, str]) -> None:
    process = start_host(**changes)
    said, problem = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert said == ""
    assert "warmfleet env" in problem
    assert "official Pulumi CLI" in problem


def test_without_an_interpreter_the_command_says_what_to_do(start_host: Start) -> None:
    process = start_host(PULUMI_LANGHOST_PYTHON="")
    _, problem = process.communicate(timeout=SECONDS)
    assert process.returncode != 0
    assert 'eval "$(warmfleet env)"' in problem


WAITING = """
import os, pathlib, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
pathlib.Path("running.new").write_text(f"{os.getpid()} {child.pid}")
pathlib.Path("running.new").rename("running")
signal.pause()
"""


def running(host: Host) -> list[psutil.Process]:
    """Start a program that waits for ever; returns its process, and that of its child."""

    def run() -> None:
        with contextlib.suppress(grpc.RpcError):  # the host ends
            host.run(WAITING)

    threading.Thread(target=run, daemon=True).start()
    deadline = time.monotonic() + SECONDS
    while not (host.program / "running").exists():
        assert time.monotonic() < deadline, "the program did not start"
        time.sleep(0.02)
    return [psutil.Process(int(pid)) for pid in (host.program / "running").read_text().split()]


def end_of_input(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.close()


@pytest.mark.parametrize(
    "end",
    [end_of_input, lambda process: process.send_signal(signal.SIGINT), lambda process: process.terminate()],
    ids=["end of input", "SIGINT", "SIGTERM"],
)
def test_the_program_and_its_children_end_with_the_host(host: Host, end: Callable[[Any], None]) -> None:
    processes = running(host)
    end(host.process)
    host.process.wait(SECONDS)
    _, alive = psutil.wait_procs(processes, timeout=SECONDS)
    assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []


def test_a_cancelled_program_ends_and_its_end_is_not_reported_as_a_failure_of_its_own(host: Host) -> None:
    answers: list[Any] = []
    request = host.request(WAITING)
    thread = threading.Thread(target=lambda: answers.append(host.stub.Run(request, timeout=SECONDS)))
    thread.start()
    deadline = time.monotonic() + SECONDS
    while not (host.program / "running").exists():
        assert time.monotonic() < deadline, "the program did not start"
        time.sleep(0.02)
    from google.protobuf import empty_pb2

    host.stub.Cancel(empty_pb2.Empty(), timeout=SECONDS)
    thread.join(SECONDS)
    assert answers[0].bail
    assert answers[0].error == ""
    child = int((host.program / "running").read_text().split()[1])
    os.kill(child, signal.SIGKILL)


LOOKING = """
import json, os, pathlib, sys, pulumi
seen = {
    "argv": pathlib.Path("/proc/self/cmdline").read_text(),
    "environ": pathlib.Path("/proc/self/environ").read_text(),
    "value": pulumi.Config("test").require("token"),
    "executable": sys.executable,
    "virtual_env": os.environ.get("VIRTUAL_ENV"),
    "path": sys.path[0],
}
pathlib.Path("seen.json").write_text(json.dumps(seen))
"""


def test_secrets_of_the_configuration_reach_the_program_and_no_command_line_or_environment(host: Host) -> None:
    host.run(LOOKING, config={"test:token": "very-secret"}, configSecretKeys=["test:token"])
    seen = json.loads((host.program / "seen.json").read_text())
    assert seen["value"] == "very-secret"
    assert "very-secret" not in seen["argv"] + seen["environ"]
    assert seen["executable"] == sys.executable
    assert seen["path"] == str(host.program), "the program imports its own modules"


def test_the_virtual_environment_of_the_project_file_runs_the_program(host: Host, tmp_path: Path) -> None:
    venv.create(host.program / "env", with_pip=False)
    packages = next((host.program / "env" / "lib").glob("python*/site-packages"))
    (packages / "here.pth").write_text(os.pathsep.join(sys.path[-1:]) + "\n")
    import pulumi

    (packages / "pulumi.pth").write_text(f"{Path(pulumi.__file__).parents[1]}\n")
    host.run(LOOKING, config={"test:token": "x"}, options={"virtualenv": "env"})
    seen = json.loads((host.program / "seen.json").read_text())
    assert seen["executable"] == str(host.program / "env" / "bin" / "python")
    assert seen["virtual_env"] == str(host.program / "env")


def test_a_virtual_environment_that_is_not_there_is_named_with_a_remedy(host: Host) -> None:
    answer = host.run("", options={"virtualenv": ".venv"})
    assert f"no Python at {host.program}/.venv/bin/python" in answer.error
    assert "make .venv" in answer.error


def test_a_program_that_ends_by_itself_without_a_word_is_reported(host: Host) -> None:
    assert host.run("import os; os._exit(7)").error == "the program exited with code 7"


def test_each_run_is_a_process_of_its_own(host: Host) -> None:
    code = "import os, pathlib\nwith open('pids', 'a') as file: print(os.getpid(), file=file)\nos._exit(3)"
    host.run(code)
    host.run(code)
    assert len(set((host.program / "pids").read_text().split())) == 2


def test_a_policy_pack_is_run_with_its_output_passed_on_as_it_comes(host: Host) -> None:
    (host.program / "__main__.py").write_text("import sys; print(40123); print('hint', file=sys.stderr); sys.exit(4)")
    folder = str(host.program)
    info = language_pb2.ProgramInfo(root_directory=folder, program_directory=folder, entry_point=".")
    request = language_pb2.RunPluginRequest(pwd=folder, info=info, args=["127.0.0.1:1"], env=["PATH=/usr/bin"])
    answers = list(host.stub.RunPlugin(request, timeout=SECONDS))
    assert b"".join(each.stdout for each in answers) == b"40123\n"
    assert b"hint" in b"".join(each.stderr for each in answers)
    assert answers[-1].exitcode == 4
