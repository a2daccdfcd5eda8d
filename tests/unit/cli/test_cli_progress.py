"""Steps in a log, and what is remembered of them."""

import io

import pytest

from scripts.progress import Steps


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_one_line_when_a_step_starts_and_one_with_its_time_when_it_ends() -> None:
    clock, log = Clock(), io.StringIO()
    steps = Steps(log, clock)
    with steps.step("publish") as step:
        step.say("uploading: 3 %")
        clock.now += 2.5
        step.result = "tiny v1"
    assert log.getvalue() == "...  publish\nok   publish: tiny v1 (2.5 s)\n"
    assert [(done.title, done.seconds, done.result) for done in steps.finished] == [("publish", 2.5, "tiny v1")]


def test_a_long_step_shows_a_log_now_and_then_that_it_is_alive() -> None:
    clock, log = Clock(), io.StringIO()
    with Steps(log, clock).step("build") as step:
        for _ in range(40):
            clock.now += 1
            step.say("compiling")
    assert log.getvalue().count("compiling") == 2


@pytest.mark.parametrize(("error", "word"), [(ValueError(), "failed"), (KeyboardInterrupt(), "interrupted")])
def test_a_step_that_raises_is_shown_as_such_and_not_remembered(error: BaseException, word: str) -> None:
    log = io.StringIO()
    steps = Steps(log, Clock())
    with pytest.raises(type(error)), steps.step("publish"):
        raise error
    assert log.getvalue().endswith(f"FAIL publish: {word} (0.0 s)\n")
    assert steps.finished == []
