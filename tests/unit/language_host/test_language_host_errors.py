"""What the user sees when a program fails: the error once, from the user's own code on."""

from typing import Any

Host = Any  # of conftest.py


def test_an_error_of_the_program_is_shown_once_and_the_run_bails(host: Host) -> None:
    answer = host.run("import pulumi\ndef broken():\n    raise ValueError('seven')\nbroken()\n")
    assert answer.bail
    assert answer.error == ""
    (line,) = host.log.lines
    assert "ValueError: seven" in line
    assert "in broken" in line
    assert "runpy" not in line, "only the user's frames"
    assert "localcloud" not in line


def test_a_run_error_is_shown_without_a_traceback(host: Host) -> None:
    answer = host.run("import pulumi\nraise pulumi.RunError('maxNodes is 0, below 1; raise it')\n")
    assert answer.bail
    assert host.log.lines == ["maxNodes is 0, below 1; raise it"]


def test_a_program_without_errors_says_nothing(host: Host) -> None:
    answer = host.run("import pulumi\npulumi.export('a', 1)\n")
    assert (answer.bail, answer.error, host.log.lines) == (False, "", [])
