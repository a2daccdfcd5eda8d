"""A wedged engine is noticed by a token that does not come, restarted, and in the end replaced with its node."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from inference_service.node.engine_failures import EngineFailures, beyond_repair
from inference_service.node.engines.protocol import EngineError, Generation
from inference_service.node.engines.stub import FAILING_WORD, HANGING_WORD, StubEngine
from inference_service.node.engines.watched import PROBE, WatchedEngine
from inference_service.node.settings import StubSettings
from inference_service.node.watch import follow_engine


def asking(text: str) -> Generation:
    return Generation(({"role": "user", "content": text},))


async def answer(engine: WatchedEngine, text: str) -> str:
    return "".join([piece.text async for piece in engine.generate(asking(text))])


@pytest.fixture
async def engine(tmp_path: Path) -> WatchedEngine:
    watched = WatchedEngine(StubEngine(StubSettings()))
    await watched.load(tmp_path)
    return watched


@pytest.fixture
async def wedged(engine: WatchedEngine) -> AsyncIterator[WatchedEngine]:
    stuck = asyncio.create_task(answer(engine, f"one {HANGING_WORD}"))
    await asyncio.sleep(0)
    yield engine
    stuck.cancel()
    with suppress(asyncio.CancelledError):
        await stuck


async def test_an_engine_that_answers_its_probe_has_not_failed(engine: WatchedEngine):
    await engine.probe(5)
    assert engine.failure() is None


async def test_an_engine_that_accepts_and_never_answers_has_failed(wedged: WatchedEngine):
    await wedged.probe(0.02)
    assert wedged.failure() == "stub accepts requests but has given no token for 0.02 s"


async def test_a_probe_that_comes_late_behind_other_answers_is_no_failure(tmp_path: Path):
    inner = StubEngine(StubSettings())
    engine = WatchedEngine(inner)
    await engine.load(tmp_path)

    async def generate_slowly(request: Generation):  # type: ignore[no-untyped-def]
        if request == PROBE:
            await asyncio.Event().wait()
        async for piece in StubEngine.generate(inner, request):
            yield piece
            await asyncio.sleep(0.005)

    inner.generate = generate_slowly  # type: ignore[method-assign]
    busy = asyncio.create_task(answer(engine, "word " * 20))
    await engine.probe(0.05)
    assert engine.failure() is None
    await busy


async def test_an_engine_that_refuses_its_probe_has_failed(engine: WatchedEngine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("inference_service.node.engines.watched.PROBE", asking(FAILING_WORD))
    await engine.probe(5)
    assert "failed its probe" in (engine.failure() or "")


async def test_loading_again_mends_it(wedged: WatchedEngine, tmp_path: Path):
    await wedged.probe(0.02)
    await wedged.close()
    await wedged.load(tmp_path)
    assert wedged.failure() is None
    assert await answer(wedged, "one two") == "one two"


async def test_a_probe_of_the_engine_before_says_nothing_of_the_one_loaded_since(wedged: WatchedEngine, tmp_path: Path):
    probe = asyncio.create_task(wedged.probe(0.05))
    await asyncio.sleep(0)
    await wedged.close()
    await wedged.load(tmp_path)
    await probe
    assert wedged.failure() is None


async def test_an_engine_of_a_broken_answer_is_not_blamed_for_it(engine: WatchedEngine):
    with pytest.raises(EngineError):
        await answer(engine, FAILING_WORD)
    assert engine.failure() is None


def test_a_third_failure_within_half_an_hour_is_beyond_repair():
    assert not beyond_repair([0, 10], served_at=15, now=20)
    assert beyond_repair([0, 10, 20], served_at=15, now=20)
    assert not beyond_repair([0, 10, 1820], served_at=15, now=1820)


@dataclass
class PlayedNode:
    """Restarts its engine at once whenever it is told that it has failed."""

    engine: WatchedEngine
    directory: Path
    ready: bool = True
    told: list[str] = field(default_factory=list)
    mend: Callable[[], None] = lambda: None
    failures: EngineFailures = field(default_factory=EngineFailures)

    def engine_failed(self, problem: str) -> None:
        self.failures.note(problem)
        self.told.append(problem)
        self.mend()


@dataclass
class PlayedReplacement:
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def ask(self) -> str | None:
        self.loop.call_soon_threadsafe(self.asked.set)
        return None


async def test_a_node_is_replaced_when_restarts_do_not_help(tmp_path: Path):
    inner = StubEngine(StubSettings())
    engine = WatchedEngine(inner)
    await engine.load(tmp_path)
    node, replacement = PlayedNode(engine, tmp_path), PlayedReplacement()
    inner.broken = "the engine has ended"
    task = asyncio.create_task(follow_engine(node, engine, replacement, 0.001, 5))  # type: ignore[arg-type]
    try:
        await asyncio.wait_for(replacement.asked.wait(), 5)
        assert len(node.told) >= 3
    finally:
        task.cancel()


async def test_a_node_that_is_not_ready_is_not_probed(wedged: WatchedEngine, tmp_path: Path):
    node = PlayedNode(wedged, tmp_path, ready=False)
    task = asyncio.create_task(follow_engine(node, wedged, None, 0.001, 0.001))  # type: ignore[arg-type]
    await asyncio.sleep(0.05)
    task.cancel()
    assert (node.told, wedged.failure()) == ([], None)
