"""Answers kept in memory under an Idempotency-Key: bounded in bytes, whatever their size, and in time."""

from inference_service.gateway.idempotent_run import Run
from inference_service.gateway.kept_answers import ENTRY_BYTES, LONGEST_SECONDS, MOST_BYTES, KeptAnswers


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def answer(name: str, size: int = 10) -> Run:
    run = Run(name, "print")
    run.body = bytearray(size)
    return run


def test_small_answers_count_with_what_each_one_costs_and_the_oldest_goes_first():
    kept, most = KeptAnswers(Clock()), MOST_BYTES // (ENTRY_BYTES + 10)
    for number in range(most + 5):
        kept.add(answer(str(number)))
    assert len(kept) == most
    assert (kept.get("4"), kept.get("5") is not None) == (None, True)
    assert kept.size == most * (ENTRY_BYTES + 10)


def test_a_large_answer_takes_the_room_of_many_small_ones():
    kept = KeptAnswers(Clock())
    for name in ("a", "b", "c"):
        kept.add(answer(name, MOST_BYTES // 2 - ENTRY_BYTES))
    assert [name for name in ("a", "b", "c") if kept.get(name)] == ["b", "c"]
    kept.add(answer("d", MOST_BYTES))
    assert (len(kept), kept.size) == (0, 0)


def test_an_answer_that_is_made_again_counts_once():
    kept = KeptAnswers(Clock())
    for size in (10, 20):
        kept.add(answer("a", size))
    assert (len(kept), kept.size) == (1, ENTRY_BYTES + 20)


def test_after_a_day_an_answer_is_forgotten():
    clock = Clock()
    kept = KeptAnswers(clock)
    kept.add(answer("old"))
    clock.now += LONGEST_SECONDS - 1
    kept.add(answer("new"))
    assert kept.get("old")
    clock.now += 1
    assert kept.get("old") is None
    assert (len(kept), kept.size) == (1, ENTRY_BYTES + 10)
