"""The cutting of events: for every way in which a network may divide them, the client's bytes are the same."""

import itertools
import json

import pytest

from inference_service.gateway.errors import ApiError
from inference_service.gateway.event_stream import (
    DONE,
    MOST_EVENT_BYTES,
    BadAnswerError,
    EventCutter,
    without_extension,
)
from inference_service.gateway.stream_memory import StreamMemory
from inference_service.node.chat_wire import HANDOVER, ChunkWriter, completion, error_event
from inference_service.node.engines.protocol import Piece

TRICKY = ',"warmfleet":{"token_ids":[1]}}\n\ndata: [DONE]\n\n'


def node_stream(*pieces: Piece) -> bytes:
    """What a node sends for these pieces, by its own code."""
    writer = ChunkWriter("chatcmpl-1", 0, "m")
    return b"".join(writer.chunk(piece) for piece in pieces) + writer.usage([pieces[-1]]) + DONE


def public(stream: bytes) -> bytes:
    """The same stream with the extension taken out by parsing, the slow and certain way."""
    events = []
    for line in stream.decode().split("\n\n")[:-1]:
        text = line.removeprefix("data: ")
        if text != "[DONE]":
            document = json.loads(text)
            document.pop("warmfleet", None)
            text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        events.append(f"data: {text}\n\n")
    return "".join(events).encode()


PIECES = (
    Piece("one", (1,)),
    Piece(TRICKY, (2, 3)),
    Piece('é"\\,', ()),
    Piece("", (), "stop", 3, 3),
)


def test_the_clients_bytes_do_not_depend_on_how_the_stream_was_read():
    stream = node_stream(*PIECES)
    singles = [(place,) for place in range(1, len(stream))]
    for places in singles + list(itertools.combinations(range(5, len(stream), 37), 2)):
        cutter = EventCutter()
        out = [cutter.feed(stream[start:end]) for start, end in itertools.pairwise([0, *places, len(stream)])]
        assert b"".join(out) == public(stream), places
        assert all(part.endswith(b"\n\n") for part in out if part), places  # whole events only
        assert (cutter.finished, cutter.tokens) == (True, 3), places


def test_byte_by_byte_gives_the_same():
    stream, cutter = node_stream(*PIECES), EventCutter()
    assert b"".join(cutter.feed(stream[place : place + 1]) for place in range(len(stream))) == public(stream)


def test_an_end_without_done_is_not_finished():
    cutter = EventCutter()
    cutter.feed(node_stream(*PIECES).removesuffix(DONE))
    assert not cutter.finished
    assert not cutter.error
    cutter.feed(DONE + b"data: {")
    assert not cutter.finished  # something was to follow


@pytest.mark.parametrize("before", [b"", node_stream(*PIECES).removesuffix(DONE)])
def test_the_nodes_own_error_event_is_known_as_such(before: bytes):
    cutter, event = EventCutter(), error_event("gone", None)
    assert event not in cutter.feed(before + event + DONE)  # a [DONE] behind it does not make it good
    assert cutter.error == event
    assert not cutter.finished


def test_an_event_without_end_is_refused_before_it_fills_the_memory():
    cutter = EventCutter()
    assert cutter.feed(b"x" * MOST_EVENT_BYTES) == b""
    with pytest.raises(BadAnswerError, match=f"more than {MOST_EVENT_BYTES} bytes"):
        cutter.feed(b"x")


@pytest.mark.parametrize("ids", [(), (1,), (1, 2, 3)])
def test_a_whole_answer_loses_its_last_member_alone_and_its_tokens_are_counted(ids: tuple[int, ...]):
    answer = completion("chatcmpl-1", 0, "m", [Piece(TRICKY, ids, "stop", 3, 3)])
    expected = json.loads(answer)
    del expected["warmfleet"]
    cut, tokens = without_extension(answer)
    assert (json.loads(cut), tokens) == (expected, len(ids))
    assert without_extension(b'{"a": 1}') == (b'{"a": 1}', 0)


def test_token_ids_are_kept_with_what_the_client_got_and_no_further():
    cutter, stream = EventCutter(), node_stream(*PIECES)
    before_the_finish = stream.index(b'"finish_reason":"')
    cutter.feed(stream[:before_the_finish])
    memory = StreamMemory("v1", cutter.ids)
    assert memory.token_ids() == [1, 2, 3]
    shown = cutter.feed(stream[before_the_finish:].removesuffix(DONE))
    assert shown == b""  # the finish waits for its [DONE]: until then the answer may yet go on elsewhere
    assert cutter.feed(DONE).count(b"data: ") == 3
    assert memory.tokens == 3


def test_the_tokens_of_the_finish_count_once_it_is_shown():
    cutter = EventCutter()
    stream = node_stream(Piece("one", (1,)), Piece(" two", (2, 3), "stop", 3, 3))
    cutter.feed(stream.removesuffix(DONE))
    assert cutter.tokens == 1
    assert b" two" in cutter.feed(DONE)
    assert cutter.tokens == 3


def test_a_handover_is_noticed_and_never_shown():
    cutter = EventCutter()
    assert cutter.feed(node_stream(PIECES[0]).split(b"\n\n")[0] + b"\n\n" + HANDOVER).count(b"data: ") == 1
    assert cutter.handed_over
    assert not cutter.finished


def test_the_request_for_the_rest_names_tokens_and_the_answer():
    memory = StreamMemory("v1")
    memory.name(b": held back\n\n")
    assert json.loads(memory.rest_of(b'{"model":"m"}')) == {"model": "m", "warmfleet": {"resume_token_ids": []}}
    cutter = EventCutter(memory.ids)
    memory.name(cutter.feed(node_stream(*PIECES)))
    ours = json.loads(memory.rest_of(b'{"model":"m"}'))["warmfleet"]
    assert ours == {"resume_token_ids": [1, 2, 3], "id": "chatcmpl-1", "created": 0}


def test_an_error_may_quote_half_a_character_of_the_client():
    for said in (ApiError(400, "no \ud800", param="\ud800").body(), error_event("no \ud800", "x")):
        assert json.loads(said.removeprefix(b"data: "))["error"]["message"] == "no ?"
