"""One answer as the node gives it: an engine's pieces, with stop strings obeyed and tokens kept beside their text."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from inference_service import contract
from inference_service.node.engines.protocol import Engine, EngineError, Generation, Piece
from inference_service.node.stops import Gate


async def answer(engine: Engine, request: Generation) -> AsyncGenerator[Piece, None]:
    """Decode an answer, or the rest of one. Closing the generator stops the decoding.

    Raises:
        EngineError: the engine's, or 400 where it cannot go on with an answer of this kind.
    """
    received = request.resume_token_ids
    if received and not engine.resumes(request):
        text = f"{engine.name} cannot go on with an answer of this kind from its tokens; ask for it anew"
        raise EngineError(text, status=400, code=contract.CODE_NOT_RESUMABLE)
    shown = await engine.received_text(request) if received and request.stop else ""
    gate = Gate(request.stop, shown)
    async with aclosing(engine.generate(request)) as pieces:
        async for piece in pieces:
            if out := gate.take(piece):
                yield out
                if out.finish:
                    return


async def whole(pieces: AsyncGenerator[Piece, None]) -> Piece:
    """All pieces as one, the last."""
    parts = [piece async for piece in pieces]
    tokens = tuple(token for part in parts for token in part.token_ids)
    return replace(parts[-1], text="".join(part.text for part in parts), token_ids=tokens)
