"""Answers that go on from within a character: the bytes of its first tokens are needed for its text."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from inference_service.node.engines.protocol import Piece

NO_CHARACTER = "\ufffd"  # what engines write for bytes that make none
MOST_UNFINISHED = 4  # tokens: a character has four bytes at most, and each token one of them at least

TextOf = Callable[[Sequence[int]], Awaitable[str]]


class Mending:
    """What an engine says after received tokens that end inside a character, put right until the character is whole.

    Left to itself llama.cpp reads the rest of it as garbage; vLLM repeats the whole prompt's text before it (recorded
    from 0.32: tests/contract/recorded/rest_from_within_a_character.json).
    """

    def __init__(self, unfinished: list[int], text_of: TextOf) -> None:
        self._unfinished = unfinished
        self._text_of = text_of

    async def piece(self, piece: Piece) -> Piece:
        """The piece, with the text that its tokens have behind those before them."""
        if not self._unfinished or not piece.token_ids:
            return piece
        self._unfinished += piece.token_ids
        text = await self._text_of(self._unfinished)
        if text.endswith(NO_CHARACTER):
            return replace(piece, text="")
        self._unfinished.clear()
        return replace(piece, text=text)


async def mending(received: Sequence[int], text_of: TextOf) -> Mending:
    """For an answer that goes on after these tokens."""
    for count in range(min(MOST_UNFINISHED, len(received) + 1)):
        whole = received[: len(received) - count]
        if not whole or not (await text_of(whole)).endswith(NO_CHARACTER):
            return Mending(list(received[len(whole) :]), text_of)
    return Mending([], text_of)  # the model did write bytes that make no character
