"""Stop strings, and text that goes out together with its tokens. Pure.

Whoever has received some tokens of an answer has been shown exactly their text: text that may begin a stop string, or
that is no whole character yet, is withheld together with its tokens. So an answer can go on from the received tokens on
another node without a word of what the first one withheld: it is decoded again.
"""

from collections.abc import Sequence
from dataclasses import replace

from inference_service.node.engines.protocol import Piece, TokenLogprob


class Gate:
    """Between an engine and a client. `shown`: text of tokens that the client has, where the answer began elsewhere."""

    def __init__(self, stop: Sequence[str], shown: str = "") -> None:
        self._stop = stop
        self._text = withheld(shown, stop)
        self._tokens: list[int] = []
        self._logprobs: list[TokenLogprob] = []

    def take(self, piece: Piece) -> Piece | None:
        """What may go out now, or None. A piece with `finish` is the answer's last: a stop string ends it early."""
        if not self._stop and not self._tokens and piece.text:
            return piece
        self._text += piece.text
        self._tokens += piece.token_ids
        self._logprobs += piece.logprobs
        end, finish = first_stop(self._text, self._stop), piece.finish
        if end is not None:
            self._text, finish = self._text[:end], "stop"
        elif finish is None and (not self._text or withheld(self._text, self._stop)):
            return None
        calls = piece.tool_calls if end is None else ()
        out = Piece(self._text, tuple(self._tokens), finish, logprobs=tuple(self._logprobs), tool_calls=calls)
        self._text, self._tokens, self._logprobs = "", [], []
        return replace(out, prompt_tokens=piece.prompt_tokens, completion_tokens=piece.completion_tokens)


def first_stop(text: str, stop: Sequence[str]) -> int | None:
    """Where the first stop string in `text` begins."""
    return min((at for word in stop if (at := text.find(word)) >= 0), default=None)


def withheld(text: str, stop: Sequence[str]) -> str:
    """The longest end of `text` with which a stop string may begin."""
    longest = max((len(word) for word in stop), default=1) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(word.startswith(text[-length:]) for word in stop):
            return text[-length:]
    return ""
