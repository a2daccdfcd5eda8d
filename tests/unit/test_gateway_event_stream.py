"""The cutting of events: for every way in which a network may divide them, the client's bytes are the same."""

import itertools
import json

import pytest

from inference_service.gateway.event_stream import (
    DONE,
    MOST_EVENT_BYTES,
    BadAnswerError,
    EventCutter,
    without_extension,
)
from inference_service.node.chat_wire import ChunkWriter, completion, error_event
from inference_service.node.engines.protocol import Piece

TRICKY = ',"warmfleet":{"token_ids":[1]}}\n\ndata: [DONE]\n\n'


def node_stream(*pieces: Piece) -> bytes:
    """What a node sends for these pieces, by its own code."""
    writer = ChunkWriter("chatcmpl-1", 0, "m")
    return b"".join(writer.chunk(piece) for piece in pieces) + writer.usage(pieces[-1]) + DONE


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
    assert not cutter.failed
    cutter.feed(DONE + b"data: {")
    assert not cutter.finished  # something was to follow


@pytest.mark.parametrize("before", [b"", node_stream(*PIECES).removesuffix(DONE)])
def test_the_nodes_own_error_event_is_known_as_such(before: bytes):
    cutter, event = EventCutter(), error_event("gone", None)
    assert cutter.feed(before + event).endswith(event)
    assert cutter.failed
    assert not cutter.finished


def test_an_event_without_end_is_refused_before_it_fills_the_memory():
    cutter = EventCutter()
    assert cutter.feed(b"x" * MOST_EVENT_BYTES) == b""
    with pytest.raises(BadAnswerError, match="more than 1048576 bytes"):
        cutter.feed(b"x")


def test_a_whole_answer_loses_its_last_member_alone():
    answer = completion("chatcmpl-1", 0, "m", Piece(TRICKY, (1, 2, 3), "stop", 3, 3))
    expected = json.loads(answer)
    del expected["warmfleet"]
    assert json.loads(without_extension(answer)) == expected
    assert without_extension(b'{"a": 1}') == b'{"a": 1}'
