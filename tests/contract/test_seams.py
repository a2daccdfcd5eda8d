"""Forty streams of the real model, each interrupted in its middle: at every seam an engine that is asked directly, with
the tokens that the client already had, continues identically.

The gateway runs in this process, so that its seams can be read; nodes are processes, with llama.cpp and the model of
`make up`. Each has one slot: an engine that decodes several answers at once rounds differently than for one alone.
"""

import asyncio
import contextlib
import json
import random
import shutil
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from inference_service import contract
from inference_service.artifacts import activate, publish
from inference_service.gateway import polling, service, upstream
from inference_service.gateway.discovery import FoundNode
from inference_service.gateway.server import listening
from inference_service.gateway.settings import GatewaySettings
from inference_service.gateway.stream_memory import StreamMemory
from inference_service.node.engines.llama_cpp import LlamaCppEngine
from inference_service.node.engines.protocol import Generation
from scripts.default_model import default_model
from tests.contract.node_bytes import CHAT

pytestmark = [pytest.mark.failures, pytest.mark.timeout(900)]

MODEL = "smollm2"
STREAMS, NODES, MOST_TOKENS, CONTEXT_TOKENS = 40, 3, 48, 512
LOST, KILLED, LEAVES = "connection lost", "node killed", "node leaves"
INTERRUPTIONS = (KILLED, LOST, LOST, LOST, LOST, LEAVES, LOST, LOST, LOST, LOST)
END_OF_ANSWER = "<|im_end|>"  # the model's last token, which is no text of the answer
SUBJECTS = ("rivers", "bread", "the moon", "chess", "whales", "glass", "Rome", "rain", "bees", "numbers")
QUESTIONS = ("Tell me about {}.", "Why do people like {}?", "List five words about {}.", "Write a letter about {}.")


@dataclass
class Streamed:
    """One stream. `seams`: how many tokens the client had each time that another node went on."""

    question: str
    text: str = ""
    memory: StreamMemory | None = None
    seams: list[int] = field(default_factory=list)


@pytest.fixture
def seams(monkeypatch: pytest.MonkeyPatch) -> list[tuple[StreamMemory, int]]:
    """Filled as they happen: a stream's memory, and the tokens that another node is asked to go on after."""
    found: list[tuple[StreamMemory, int]] = []
    rest_of = StreamMemory.rest_of

    def recorded(memory: StreamMemory, body: bytes) -> bytes:
        found.append((memory, memory.tokens))
        return rest_of(memory, body)

    monkeypatch.setattr(StreamMemory, "rest_of", recorded)
    return found


class Nodes:
    """Real nodes of the real model; the gateway is told of each."""

    def __init__(self, fleet: Any, gateway: service.Gateway) -> None:
        self.fleet, self.gateway = fleet, gateway
        self.running: dict[str, Any] = {}

    def launch(self) -> None:
        variables = {
            contract.VAR_ENGINE: "llama.cpp",
            contract.VAR_SLOTS: "1",
            contract.VAR_CONTEXT_TOKENS: str(CONTEXT_TOKENS),
            contract.VAR_DRAIN_SECONDS: "0",
        }
        made = self.fleet.launch(**variables)
        self.running[made.instance_id] = made
        self.tell()

    def tell(self) -> None:
        hosts = {name: made.url.split("/")[2].split(":")[0] for name, made in self.running.items()}
        self.gateway.fleet.found([FoundNode(name, host, "a", "spot", MODEL) for name, host in hosts.items()])

    def routable(self) -> int:
        return sum(self.gateway.fleet.nodes[each].routable for each in self.running)

    def replace(self, instance_id: str, number: int) -> None:
        self.running.pop(instance_id).end(number)
        shutil.rmtree(self.fleet.folder / instance_id)  # each has its own copy of the model
        self.launch()


@contextlib.asynccontextmanager
async def serving(fleet: Any) -> AsyncIterator[tuple[Nodes, str]]:
    """A gateway that polls its nodes, and its URL."""
    settings = GatewaySettings("test", "us-east-1", (MODEL,), port=0, node_port=fleet.node_port)
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(upstream.session())
        gateway = service.assemble(settings, http, asyncio.get_running_loop().time)
        server = await stack.enter_async_context(listening(gateway.app, settings))
        following = asyncio.create_task(
            polling.follow_readiness(gateway.fleet, http, port=fleet.node_port, seconds=0.1, timeout_seconds=2)
        )
        try:
            yield Nodes(fleet, gateway), f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def until(condition: Any, seconds: float = 120) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the product has no event for it
            await asyncio.sleep(0.005)


async def interrupt(nodes: Nodes, kind: str, after: int) -> None:
    """Once the one stream under way has brought so many tokens. Its node, or just the connection to it, is gone."""

    def far_enough() -> bool:
        carried = [each.carried for each in nodes.gateway.streams if each.carried]
        return bool(carried) and carried[0].memory.tokens >= after

    await until(far_enough)
    (stream,) = nodes.gateway.streams
    if stream.carried is None or stream.content is None:
        return
    if kind == LOST:
        stream.content.set_exception(aiohttp.ClientPayloadError("the connection is lost"))
    else:
        number = signal.SIGKILL if kind == KILLED else signal.SIGTERM
        await asyncio.to_thread(nodes.replace, stream.carried.node, number)


async def ask(http: aiohttp.ClientSession, url: str, streamed: Streamed) -> None:
    messages = [{"role": "user", "content": streamed.question}]
    body = {"model": MODEL, "stream": True, "temperature": 0, "max_tokens": MOST_TOKENS, "messages": messages}
    async with http.post(url + CHAT, json=body, headers={contract.HEADER_DEADLINE: "60"}) as answer:
        assert answer.status == 200, await answer.text()
        events = (await answer.read()).split(b"\n\n")
    assert events[-2] == b"data: [DONE]", events[-4:]
    chunks = [json.loads(event[6:]) for event in events if event.startswith(b"data: {")]
    streamed.text = "".join(choice["delta"].get("content") or "" for each in chunks for choice in each["choices"])


async def streams(fleet: Any, seams: list[tuple[StreamMemory, int]]) -> list[Streamed]:
    """One after another, each interrupted after some of its tokens."""
    chance, done = random.Random(7), []
    async with serving(fleet) as (nodes, url), aiohttp.ClientSession() as http:
        for _ in range(NODES):
            await asyncio.to_thread(nodes.launch)
        for number in range(STREAMS):
            await until(lambda: nodes.routable() >= 2)  # one to begin, one to go on
            question = QUESTIONS[number % len(QUESTIONS)].format(SUBJECTS[number // len(QUESTIONS)])
            done.append(Streamed(question))
            kind = INTERRUPTIONS[number % len(INTERRUPTIONS)]
            striking = asyncio.create_task(interrupt(nodes, kind, chance.randrange(2, 20)))
            await ask(http, url, done[-1])
            await striking
            done[-1].seams = [tokens for _, tokens in seams]
            done[-1].memory = seams[-1][0] if seams else None
            seams.clear()
    return done


async def decoded(engine: LlamaCppEngine, question: str, prefix: list[int]) -> list[int]:
    """What the engine itself says after exactly these tokens."""
    prompt = await engine._prompt(Generation(messages=({"role": "user", "content": question},)))
    body = {"prompt": prompt + prefix, "n_predict": MOST_TOKENS - len(prefix), "temperature": 0.0}
    body |= {"return_tokens": True, "cache_prompt": False}
    found: list[int] = (await engine._ask("/completion", body))["tokens"]
    return found


async def test_at_every_seam_an_engine_asked_directly_continues_identically(
    fleet: Any, seams: list[tuple[StreamMemory, int]], tmp_path: Path, record_property: Any
):
    version = publish(fleet.store, MODEL, [default_model()], progress=lambda _: None).version
    activate(fleet.store, MODEL, version)
    done = await streams(fleet, seams)
    directory = tmp_path / "directly"
    directory.mkdir()
    (directory / "model.gguf").symlink_to(default_model())
    engine = LlamaCppEngine(context_tokens=CONTEXT_TOKENS, slots=1)
    await engine.load(directory)
    equal, unlike, mismatches = 0, [], []
    for each in done:
        assert each.memory is not None, f"{each.question}: nothing interrupted it"
        ids = each.memory.token_ids()
        for begin, end in zip(each.seams, [*each.seams[1:], len(ids)], strict=True):
            direct = await decoded(engine, each.question, ids[:begin])
            if direct[: end - begin] != ids[begin:end]:
                unlike.append(f"{each.question} after {begin} tokens: {ids[begin:end]} instead of {direct}")
        text = (await engine._text(ids)).removesuffix(END_OF_ANSWER).rstrip("\ufffd")
        if text != each.text:
            mismatches.append(f"{each.question} after {each.seams}: {each.text!r} instead of {text!r}")
        equal += ids == await decoded(engine, each.question, [])
    await engine.close()
    record_property("equal_to_the_uninterrupted_run", f"{equal} of {STREAMS}")
    print(f"{sum(len(each.seams) for each in done)} seams; {equal} of {STREAMS} equal the uninterrupted run")
    assert unlike == []
    assert mismatches == []
    assert sum(len(each.seams) for each in done) >= STREAMS
