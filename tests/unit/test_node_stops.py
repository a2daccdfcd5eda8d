"""Stop strings, and tokens that go out with their text: wherever an answer is cut, both halves make the whole."""

import itertools
from collections.abc import Iterable

import pytest

from inference_service.node.engines.protocol import Piece, TokenLogprob
from inference_service.node.stops import Gate, withheld


def pieces(*texts: str) -> list[Piece]:
    """One token a piece, its id the place; then the end."""
    made = [Piece(text, (place,), None, 3, place + 1) for place, text in enumerate(texts)]
    return [*made, Piece("", (), "stop", 3, len(texts))]


def through(gate: Gate, given: Iterable[Piece]) -> list[Piece]:
    out = []
    for piece in given:
        if passed := gate.take(piece):
            out.append(passed)
            if passed.finish:
                break
    return out


def text_of(given: Iterable[Piece]) -> str:
    return "".join(piece.text for piece in given)


def test_without_stop_strings_pieces_pass_as_they_come():
    given = pieces("a", " b")
    assert through(Gate(()), given) == given


@pytest.mark.parametrize(
    ("texts", "stop", "shown"),
    [
        (["one", " two", " three"], ("two",), "one "),
        (["on", "e EN", "D of"], ("END",), "one "),
        (["a", "E", "E", "N", "D", "x"], ("END",), "aE"),
        (["EN", "ER", "GY"], ("END",), "ENERGY"),
        (["E", "N"], ("END",), "EN"),  # the end of the answer: it was no stop string
        (["ab", "c"], ("bc", "ab"), ""),  # the first in the text, not in the list
        (["x ab", "ab", "ac"], ("ababac",), "x "),
        (["é", "🎉", "!"], ("🎉!",), "é"),
    ],
)
def test_the_answer_ends_before_the_first_stop_string(texts: list[str], stop: tuple[str, ...], shown: str):
    out = through(Gate(stop), pieces(*texts))
    assert text_of(out) == shown
    assert out[-1].finish == "stop"


def test_text_is_never_ahead_of_its_tokens_nor_behind():
    texts = ["on", "e EN", "ER", "GY E", "", "ND", " x"]
    for place, piece in enumerate(out := through(Gate(("END",)), pieces(*texts))[:-1]):
        count = sum(len(each.token_ids) for each in out[: place + 1])
        assert text_of(out[: place + 1]) == "".join(texts[:count])
        assert piece.text


@pytest.mark.parametrize("stop", [("END",), ("one E", "GY"), ("ababac",), ("zz",)])
def test_cut_after_any_piece_the_rest_is_decoded_to_the_same_text(stop: tuple[str, ...]):
    texts = ["on", "e E", "NE", "RGY", " ab", "ab", "ab", "ac", " E", "ND", " z"]
    full = through(Gate(stop), pieces(*texts))
    for cut in range(1, len(full)):
        received = [token for piece in full[:cut] for token in piece.token_ids]
        rest = pieces(*texts)[len(received) :]
        resumed = through(Gate(stop, "".join(texts[: len(received)])), rest)
        assert text_of(full[:cut]) + text_of(resumed) == text_of(full), cut


def test_cut_after_any_token_what_was_withheld_is_carried_over():
    """As an engine would be cut that names tokens before their text: the received ones may end inside a stop string."""
    texts, stop = ["on", "e E", "NE", "RGY E", "N", "D", " z"], ("END",)
    whole = text_of(through(Gate(stop), pieces(*texts)))
    for cut in range(len(texts) - 1):
        received = "".join(texts[:cut])
        shown = received.removesuffix(withheld(received, stop))
        resumed = through(Gate(stop, received), pieces(*texts)[cut:])
        assert shown + text_of(resumed) == whole, cut


def test_tokens_without_text_wait_for_the_text_that_they_are_part_of():
    given = [Piece("", (1,), None, 3, 1), Piece("", (2,), None, 3, 2), Piece("🎉", (3,), None, 3, 3), *pieces()]
    assert through(Gate(()), given)[0] == Piece("🎉", (1, 2, 3), None, 3, 3)


def test_the_longest_beginning_of_a_stop_string_is_withheld():
    for text, stop in itertools.product(["xaab", "aab", "aabaab"], [("aabaac",), ("b", "aabaac")]):
        held = withheld(text, stop)
        assert text.endswith(held)
        assert any(word.startswith(held) and word != held for word in stop)
    assert withheld("abc", ()) == ""
    assert withheld("abc", ("x",)) == ""


def test_likelihoods_are_withheld_with_their_tokens_and_come_with_them():
    one, two = TokenLogprob("a", -0.1), TokenLogprob("c", -0.2)
    gate = Gate(["ab"])
    assert gate.take(Piece("a", (1,), logprobs=(one,))) is None
    assert gate.take(Piece("c", (2,), logprobs=(two,))) == Piece("ac", (1, 2), logprobs=(one, two))


def test_calls_come_with_the_last_piece_unless_a_stop_string_ended_the_answer_before():
    last = Piece("so", (1,), "tool_calls", tool_calls=({"id": "call_1"},))
    assert Gate(["x"]).take(last) == last
    assert Gate(["o"]).take(last) == Piece("s", (1,), "stop")
