"""Records tests/contract/recorded anew: `make record-vllm`. Takes some minutes, most of them vLLM's two starts."""

import asyncio
import signal
import sys
import tempfile
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from inference_service.node.engines.protocol import EngineError, Generation, Piece
from inference_service.node.engines.vllm import VllmEngine
from tests.real_vllm import serving
from tests.real_vllm.cases import CASES, LONG, PLAIN, SEAMS
from tests.real_vllm.exchanges import CASE_PATH, RECORDED

Outcome = list[Piece] | EngineError | str
MOST_SECONDS = 60.0  # for a stream to end after a SIGTERM


async def outcome(engine: VllmEngine, asked: Generation, begun: asyncio.Event | None = None) -> Outcome:
    """All pieces, or the error that the node makes of what vLLM said; text where nothing comes any more."""
    seen = []
    try:
        async with aclosing(engine.generate(asked)) as pieces:
            async for piece in pieces:
                seen.append(piece)
                if begun:
                    begun.set()
        return seen
    except EngineError as error:
        return error


async def begin(engine: VllmEngine, case: str) -> None:
    await tell_recorder(engine, case=case)


async def tell_recorder(engine: VllmEngine, **told: Any) -> None:
    async with engine._client().post(CASE_PATH, json=told) as answer:
        answer.raise_for_status()


def tell(case: str, seen: Outcome) -> None:
    said = "".join(piece.text for piece in seen) if isinstance(seen, list) else seen
    calls = seen[-1].tool_calls if isinstance(seen, list) else ()
    print(f"{case}: {said!r} {calls or ''}", flush=True)


async def record_answers(folder: Path, target: Path) -> None:
    """Every case by itself, what goes on after a part of one, and at last a SIGTERM in the middle of one."""
    async with recording(folder, target) as engine:
        await begin(engine, "health_and_figures")
        async with engine._client().get("/health"), engine._client().get("/v1/models"):
            await engine.busy()
        for case, asked in CASES.items():
            await begin(engine, case)
            tell(case, await outcome(engine, asked))
        await begin(engine, "")
        for case, (whole, received) in SEAMS.items():
            seen = await outcome(engine, whole)
            assert isinstance(seen, list), seen
            tokens = tuple(token for piece in seen for token in piece.token_ids)
            await begin(engine, case)
            tell(case, await outcome(engine, replace(whole, resume_token_ids=tokens[:received])))
            await begin(engine, "")
        tell("sigterm_in_an_answer", await interrupted(engine, "sigterm_in_an_answer"))


async def interrupted(engine: VllmEngine, case: str) -> Outcome:
    """The answer during which vLLM, and it alone, is asked to end."""
    begun = asyncio.Event()
    await begin(engine, case)
    answering = asyncio.create_task(outcome(engine, LONG, begun))
    await begun.wait()
    await tell_recorder(engine, signal=signal.SIGTERM)
    done, _ = await asyncio.wait([answering], timeout=MOST_SECONDS)
    if done:
        return answering.result()
    await tell_recorder(engine, give_up=True)
    await asyncio.wait([answering])
    return f"nothing more for {MOST_SECONDS:g} s"


async def record_limits(folder: Path, target: Path) -> None:
    """More than may wait: streams get their refusal with status 200. Then a SIGTERM with time to finish."""
    async with recording(folder, target, "--max-num-queued-reqs", "5", "--shutdown-timeout", "60") as engine:
        await begin(engine, "overload")
        for seen in await asyncio.gather(*(outcome(engine, PLAIN) for _ in range(serving.SLOTS + 4))):
            tell("overload", seen)
        case = "sigterm_with_time_to_finish"
        running = asyncio.create_task(interrupted(engine, case))
        await asyncio.wait([running], timeout=1.0)
        tell(f"{case}, a new request", await outcome(engine, PLAIN))
        try:
            async with engine._client().get("/health") as answer:
                print(f"{case}, /health: {answer.status}", flush=True)
        except OSError as error:
            print(f"{case}, /health: {error}", flush=True)
        tell(case, await running)


def recording(folder: Path, target: Path, *flags: str) -> Any:
    command, variables = serving.recording_command(), serving.recording_variables(target)
    return serving.serving(folder, *flags, command=command, variables=variables)


PARTS = {"answers": record_answers, "limits": record_limits}


async def main(names: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="warmfleet-record-") as scratch:
        for name in names or PARTS:
            folder = Path(scratch) / name
            folder.mkdir()
            await PARTS[name](folder, RECORDED)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
