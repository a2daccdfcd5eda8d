"""State of a cloud that has ended is never taken for the present; locks of living commands are respected."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localcloud.places import Places
from scripts.exit_codes import CommandError
from scripts.local_stack import Backend, Found, command_lock


def quiet(_: str) -> None:
    """Nobody listens."""


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    made = Backend(Places.of(tmp_path))
    made.places.pulumi_backend.mkdir(parents=True)
    return made


def write(backend: Backend, path: str, document: object) -> Path:
    file = backend.places.pulumi_backend / ".pulumi" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))
    return file


def stack(backend: Backend, pending: list[object]) -> Path:
    checkpoint = {"version": 3, "checkpoint": {"latest": {"resources": [], "pending_operations": pending}}}
    return write(backend, "stacks/warmfleet/local.json", checkpoint)


def lock(backend: Backend, pid: int) -> Path:
    return write(backend, "locks/organization/warmfleet/local/1.json", {"pid": pid})


def at_work_as_pulumi(folder: Path) -> "subprocess.Popen[bytes]":
    """A process that the kernel calls pulumi; it gets that name a moment after Popen returns."""
    program = folder / "pulumi"
    program.symlink_to("/bin/sleep")
    started = subprocess.Popen([program, "60"])
    deadline = time.monotonic() + 10
    while Path(f"/proc/{started.pid}/comm").read_text() != "pulumi\n":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return started


def test_a_stack_built_in_this_run_fits(backend: Backend) -> None:
    stack(backend, [])
    backend.record("run-1")
    assert backend.compare("run-1") is Found.FITS


def test_a_stack_built_in_another_run_does_not_fit_and_is_dropped_whole(backend: Backend) -> None:
    stack(backend, [])
    backend.record("run-1")
    assert backend.compare("run-2") is Found.OTHER_RUN
    backend.drop()
    assert not backend.exists()


def test_a_stack_built_by_plain_pulumi_is_compared_with_the_cloud(backend: Backend) -> None:
    assert backend.compare("run-1") is Found.FITS
    stack(backend, [])
    assert backend.compare("run-1") is Found.UNKNOWN


def test_operations_that_a_killed_run_left_pending_are_seen(backend: Backend) -> None:
    assert not backend.half_done()
    stack(backend, [])
    assert not backend.half_done()
    stack(backend, [{"type": "creating"}])
    assert backend.half_done()


def test_a_state_file_that_cannot_be_read_is_half_done(backend: Backend) -> None:
    stack(backend, []).write_text("{")
    assert backend.half_done()


def test_the_lock_of_a_cli_that_is_gone_is_left_over(backend: Backend) -> None:
    assert not backend.left_locked(quiet)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    lock(backend, ended.pid)
    assert backend.left_locked(quiet)


def test_the_lock_of_a_reused_process_id_is_left_over(backend: Backend) -> None:
    lock(backend, os.getpid())
    assert backend.left_locked(quiet)


def test_the_lock_of_a_cli_at_work_is_respected_and_names_it(backend: Backend, tmp_path: Path) -> None:
    with at_work_as_pulumi(tmp_path) as at_work:
        try:
            lock(backend, at_work.pid)
            with pytest.raises(
                CommandError, match=rf"pulumi \(process {at_work.pid}\) has been at work on stack local"
            ):
                backend.left_locked(quiet, wait_seconds=0.3)
        finally:
            at_work.kill()


def test_a_cli_that_is_about_to_end_is_waited_for(backend: Backend, tmp_path: Path) -> None:
    with at_work_as_pulumi(tmp_path) as at_work:
        lock(backend, at_work.pid)
        said: list[str] = []

        def say(text: str) -> None:
            said.append(text)
            at_work.kill()
            at_work.wait()

        assert backend.left_locked(say)
    assert f"waiting for the end of pulumi (process {at_work.pid})" in said[0]


def test_a_second_command_is_refused_while_the_first_is_at_work(tmp_path: Path) -> None:
    with (
        command_lock(tmp_path),
        pytest.raises(CommandError, match=rf"process {os.getpid()}\) works on"),
        command_lock(tmp_path),
    ):
        pass
    with command_lock(tmp_path):  # free again
        pass
