"""A Ctrl-C ends a command also when it comes where Python drops what is raised, and leaves no child running."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
from cli_checkout import ROOT

from scripts import children, interrupts

COMMAND = """
import signal, sys, threading
from scripts import interrupts

class Late:
    def __del__(self):
        signal.raise_signal(signal.{number})

interrupts.listen()
try:
    Late()
    threading.Event().wait(30)
except KeyboardInterrupt:
    sys.exit(7)
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_an_interrupt_in_a_finaliser_is_not_lost(number: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND.format(number=number)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (7, "")


def test_what_else_is_raised_there_is_told_as_before() -> None:
    command = "from scripts import interrupts\ninterrupts.listen()\nclass A:\n def __del__(self): 1 / 0\nA()"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "ZeroDivisionError" in done.stderr


STARTING = """
import signal, subprocess, sys
from scripts import children, interrupts

class Interrupted(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        print(self.pid, flush=True)
        signal.raise_signal(signal.{number})  # the child runs, and nobody knows of it yet

subprocess.Popen = Interrupted
interrupts.listen()
try:
    children.run(["sleep", "60"])
except KeyboardInterrupt:
    sys.exit(7)
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_an_interrupt_while_a_child_is_started_leaves_no_child(number: str) -> None:
    command = [sys.executable, "-c", STARTING.format(number=number)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (7, "")
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_a_child_that_answers_too_late_is_gone() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        children.run(["sleep", "60"], seconds=0.05)
    assert "sleep" not in [child.name() for child in psutil.Process().children(recursive=True)]


def test_what_a_signal_finds_put_off_is_heard_at_the_end() -> None:
    heard = []
    usual = signal.signal(signal.SIGTERM, lambda *_: heard.append("heard"))
    try:
        with interrupts.put_off():
            signal.raise_signal(signal.SIGTERM)
            heard.append("end of the block")
        assert heard == ["end of the block", "heard"]
    finally:
        signal.signal(signal.SIGTERM, usual)
