"""A Ctrl-C ends a command also when it comes where Python drops what is raised."""

import subprocess
import sys

import pytest
from cli_checkout import ROOT

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
