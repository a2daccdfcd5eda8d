"""Answers as the node gives them: an engine's pieces, with stop strings obeyed and tokens kept beside their text."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from inference_service import contract
from inference_service.node.engines.protocol import Engine, EngineError, Generation, Piece
from inference_service.node.stops import Gate

PULSE = Piece("", ())  # the engine decodes, and there is nothing to show yet


async def answer(engine: Engine, request: Generation) -> AsyncGenerator[Piece, None]:
    """Decode an answer, or the rest of one. Closing the generator stops the decoding.

    Raises:
        EngineError: the engine's, or 400 where it cannot go on with an answer of this kind.
    """
    received, resumes = request.resume_token_ids, engine.resumes(request)
    if received and not resumes:
        raise not_resumable(engine)
    shown = await engine.received_text(request) if received and request.stop else ""
    gate = Gate(request.stop, shown)
    async with aclosing(engine.generate(request)) as pieces:
        async for piece in pieces:
            if out := gate.take(piece):
                yield out
                if out.finish:
                    return
            elif not resumes:
                yield PULSE


def not_resumable(engine: Engine) -> EngineError:
    """What a gateway is told that wants the rest of an answer which can only be begun anew."""
    text = f"{engine.name} cannot go on with an answer of this kind from its tokens; ask for it anew"
    return EngineError(text, status=400, code=contract.CODE_NOT_RESUMABLE)


async def choices(
    engine: Engine, request: Generation, count: int, at_once: int = 1
) -> AsyncGenerator[tuple[int, Piece], None]:
    """So many answers to one question, `at_once` decoded at the same time, each piece with its answer's number.

    With a seed each draws otherwise, and the same each time. Several cannot be gone on with, only begun anew.

    Raises:
        EngineError: of the first answer that fails; the others stop.
    """
    if count == 1:
        async with aclosing(answer(engine, request)) as pieces:
            async for piece in pieces:
                yield 0, piece
        return
    if request.resume_token_ids:
        raise not_resumable(engine)
    coming: asyncio.Queue[tuple[int, Piece] | Exception | None] = asyncio.Queue()
    numbers = iter(range(count))

    async def decode() -> None:
        try:
            for number in numbers:
                seed = None if request.seed is None else request.seed + number
                async with aclosing(answer(engine, replace(request, seed=seed))) as pieces:
                    async for piece in pieces:
                        coming.put_nowait((number, piece))
            coming.put_nowait(None)
        except Exception as error:
            coming.put_nowait(error)

    tasks = [asyncio.create_task(decode()) for _ in range(min(count, at_once))]
    try:
        ended = 0
        while ended < len(tasks):
            come = await coming.get()
            if isinstance(come, Exception):
                raise come
            if come is None:
                ended += 1
            else:
                yield come
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def wholes(pieces: AsyncGenerator[tuple[int, Piece], None], count: int) -> list[Piece]:
    """Each answer's pieces as one, the last."""
    parts: list[list[Piece]] = [[] for _ in range(count)]
    async for number, piece in pieces:
        parts[number].append(piece)
    return [joined(part) for part in parts]


def joined(parts: Sequence[Piece]) -> Piece:
    """All that the pieces hold in one, with the counts of the last."""
    return replace(
        parts[-1],
        text="".join(part.text for part in parts),
        token_ids=tuple(token for part in parts for token in part.token_ids),
        logprobs=tuple(logprob for part in parts for logprob in part.logprobs),
    )
