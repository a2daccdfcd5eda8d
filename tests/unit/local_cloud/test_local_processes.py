"""Signals reach exactly the process that is meant, and nothing outlives its parent."""

import os
import select
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from localcloud.processes import MARK, alive, end, end_marked, identity, marked

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
# A parent that starts a tied child, says its pid and waits.
TIED = """
import os, subprocess, sys, time
from localcloud.processes import tied_to
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], preexec_fn=tied_to(os.getpid()))
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_reused_process_id_is_never_signalled() -> None:
    with subprocess.Popen(SLEEP) as process:
        known = identity(process.pid)
        assert known
        earlier = replace(known, started=known.started - 1)
        assert not alive(earlier)
        assert end(earlier, signal.SIGKILL, 5)
        assert process.poll() is None
        assert end(known, signal.SIGKILL, 5)
        assert process.wait(5) == -signal.SIGKILL
    assert end(known, signal.SIGKILL, 5)
    assert identity(process.pid) is None


def test_a_zombie_does_not_count_as_alive() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert identity(process.pid) is None
    process.wait()


def test_only_processes_with_exactly_this_folders_mark_are_ended(tmp_path: Path) -> None:
    ours, other = tmp_path / "a", tmp_path / "a-b"
    with (
        subprocess.Popen(SLEEP, env=os.environ | {MARK: str(ours)}) as mine,
        subprocess.Popen(SLEEP, env=os.environ | {MARK: str(other)}) as others,
    ):
        assert end_marked(ours) == 1
        assert mine.wait(5) == -signal.SIGKILL
        assert [each.pid for each in marked(other)] == [others.pid]
        others.kill()


def test_a_tied_child_dies_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", TIED], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = identity(int(parent.stdout.readline()))
        assert child
        handle = os.pidfd_open(child.pid)
        parent.kill()
        parent.wait(5)
        assert select.select([handle], [], [], 5)[0]
        os.close(handle)
