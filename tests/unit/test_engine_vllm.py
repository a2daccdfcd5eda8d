"""The vLLM engine against a child process that plays `vllm serve` on its Unix socket: start, health, answers, end."""

import asyncio
import json
import os
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from inference_service.node.engines.protocol import EngineError, EngineLoad, Generation, Piece
from inference_service.node.engines.vllm import VllmEngine
from inference_service.node.gpu import Gpu, GpuError
from inference_service.node.settings import NodeSettings, VllmSettings

ASK = Generation(messages=({"role": "user", "content": "hi"},))
GPU = Gpu(0, "NVIDIA A10G", "580", 8.6, 23028, 0, 30, 0, 0, remap_pending=False, remap_failed=False)
CUT = 600  # the number of tokens at which the played vLLM forgets its [DONE]

# What vLLM does at this seam: loads for a while, then answers /health; streams; on request fails or hangs.
PLAYED_VLLM = """#!{python}
import asyncio, json, os, subprocess, sys
from aiohttp import web
folder = sys.argv[2]
print("loading", flush=True)
if os.path.exists(folder + "/broken"):
    print("CUDA out of memory", flush=True)
    sys.exit(3)
worker = subprocess.Popen(["sleep", "600"])
open(folder + "/worker", "w").write(str(worker.pid))
open(folder + "/environment", "w").write(json.dumps(dict(os.environ)))

WORDS = {{"hi": 50_000, "too long": 9_000, "endless": 4, "cut": 3, "resumed": 3}}

async def tokenize(request):
    body = await request.json()
    assert body["add_generation_prompt"] is True
    ids = list(range(WORDS[body["messages"][0]["content"]]))
    return web.json_response({{"count": len(ids), "max_model_len": 60_000, "tokens": ids}})

async def detokenize(request):
    return web.json_response({{"prompt": "".join(f"<{{token}}>" for token in (await request.json())["tokens"])}})

async def complete(request):
    body = await request.json()
    open(folder + "/asked", "w").write(json.dumps(body))
    prompt = body["prompt"]
    if len(prompt) == 9_000:
        error = {{"message": "This model's maximum context length is 8 tokens.", "code": 400}}
        return web.json_response({{"error": error}}, status=400)
    response = web.StreamResponse()
    await response.prepare(request)
    async def send(**event):
        await response.write(b"data: " + json.dumps(event).encode() + b"\\n\\n")
    many = 1000 if len(prompt) == 4 else 3
    try:
        for number in range(many):
            # a long prompt makes one long line
            finish = "stop" if number == many - 1 else None
            choice = {{"index": 0, "text": "x", "logprobs": None, "finish_reason": finish, "token_ids": [number]}}
            choice["prompt_token_ids"] = prompt if number == 0 else None
            await send(choices=[choice])
            await asyncio.sleep(0.01)
    except (asyncio.CancelledError, ConnectionResetError):
        open(folder + "/aborted", "w").write("yes")
        raise
    await send(choices=[], usage={{"prompt_tokens": len(prompt), "completion_tokens": many}})
    if body["max_tokens"] != {cut}:
        await response.write(b"data: [DONE]\\n\\n")
    return response

async def health(request):
    return web.Response()

async def metrics(request):
    return web.Response(text="vllm:num_requests_running 1.0\\nvllm:num_requests_waiting 0.0\\n")

app = web.Application(client_max_size=4 << 20)
app.router.add_post("/tokenize", tokenize)
app.router.add_post("/detokenize", detokenize)
app.router.add_post("/v1/completions", complete)
app.router.add_get("/health", health)
app.router.add_get("/metrics", metrics)
web.run_app(app, path=sys.argv[sys.argv.index("--uds") + 1], print=None, handler_cancellation=True)
"""


@pytest.fixture
def settings(tmp_path: Path) -> NodeSettings:
    script = tmp_path / "vllm"
    script.write_text(PLAYED_VLLM.format(python=sys.executable, cut=CUT))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    child = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    vllm = VllmSettings(executable=str(script))
    return NodeSettings("dev", "us-east-1", "b", "m", "vllm", vllm=vllm, context_tokens=60_000, child_environment=child)


async def one_gpu() -> tuple[Gpu, ...]:
    return (GPU,)


@pytest.fixture
async def loaded(settings: NodeSettings, tmp_path: Path) -> AsyncIterator[VllmEngine]:
    engine = VllmEngine(settings, one_gpu)
    await engine.load(tmp_path)
    yield engine
    await engine.close()


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


async def test_answers_are_relayed_with_their_token_ids(loaded: VllmEngine):
    pieces = [piece async for piece in loaded.generate(ASK)]
    assert [piece.token_ids for piece in pieces] == [(0,), (1,), (2,), ()]
    assert (pieces[-1].finish, pieces[-1].prompt_tokens, pieces[-1].completion_tokens) == ("stop", 50_000, 3)
    assert await loaded.busy() == EngineLoad(1, 0)


async def test_an_answer_goes_on_after_its_tokens_and_is_counted_as_one(loaded: VllmEngine, tmp_path: Path):
    asked = Generation(({"role": "user", "content": "resumed"},), max_tokens=20, resume_token_ids=(7, 8, 9))
    pieces = [piece async for piece in loaded.generate(asked)]
    sent = json.loads((tmp_path / "asked").read_text())
    assert (sent["prompt"], sent["max_tokens"]) == ([0, 1, 2, 7, 8, 9], 17)
    assert (pieces[-1].prompt_tokens, pieces[-1].completion_tokens) == (3, 6)
    assert await loaded.received_text(asked) == "<7><8><9>"


@pytest.mark.parametrize(("most", "received"), [(3, 3), (None, 59_998)])
async def test_an_answer_whose_limit_is_reached_ends_without_another_token(
    loaded: VllmEngine, most: int | None, received: int
):
    messages = ({"role": "user", "content": "resumed"},)
    asked = Generation(messages, max_tokens=most, resume_token_ids=tuple(range(received)))
    assert [piece async for piece in loaded.generate(asked)] == [Piece("", (), "length", 3, received)]


async def test_an_abandoned_answer_is_aborted_inside_vllm(loaded: VllmEngine, tmp_path: Path):
    async with aclosing(loaded.generate(Generation(messages=({"role": "user", "content": "endless"},)))) as pieces:
        await anext(pieces)
    async with asyncio.timeout(10):
        while not (tmp_path / "aborted").exists():  # noqa: ASYNC110 - written by another process
            await asyncio.sleep(0.02)


async def test_a_refusal_keeps_its_status(loaded: VllmEngine):
    with pytest.raises(EngineError) as refused:
        await anext(loaded.generate(Generation(messages=({"role": "user", "content": "too long"},))))
    assert (refused.value.status, refused.value.code) == (400, "context_length_exceeded")


async def test_a_stream_without_its_end_is_a_failure(loaded: VllmEngine):
    asked = Generation(messages=({"role": "user", "content": "cut"},), max_tokens=CUT)
    with pytest.raises(EngineError, match="broke off"):
        _ = [piece async for piece in loaded.generate(asked)]


async def test_closing_ends_vllm_and_its_workers(loaded: VllmEngine, tmp_path: Path):
    worker = int((tmp_path / "worker").read_text())
    assert alive(worker)
    await loaded.close()
    async with asyncio.timeout(10):
        while alive(worker):  # noqa: ASYNC110 - reaped by init
            await asyncio.sleep(0.02)
    assert loaded.failure() is None


async def test_a_vllm_that_dies_later_is_noticed(loaded: VllmEngine):
    assert loaded.failure() is None
    assert loaded._process is not None
    loaded._process.kill()
    async with asyncio.timeout(10):
        while not (reason := loaded.failure()):  # noqa: ASYNC110 - its workers still hold the pipe, so wait() would hang
            await asyncio.sleep(0.02)
    assert "ended with -9" in reason


async def test_a_vllm_that_dies_while_loading_says_why(settings: NodeSettings, tmp_path: Path):
    (tmp_path / "broken").touch()
    engine = VllmEngine(settings, one_gpu)
    with pytest.raises(EngineError, match=r"ended with 3.*CUDA out of memory"):
        await engine.load(tmp_path)
    await engine.close()


async def test_the_child_gets_its_own_environment_only(loaded: VllmEngine, tmp_path: Path):
    environment = (tmp_path / "environment").read_text()
    assert "HF_HUB_OFFLINE" in environment
    assert "AWS_" not in environment


async def test_too_few_gpus_are_an_error_with_the_remedy(settings: NodeSettings, tmp_path: Path):
    engine = VllmEngine(replace(settings, vllm=VllmSettings(tensor_parallel_size=4)), one_gpu)
    with pytest.raises(EngineError, match=r"tensor_parallel_size is 4, but this instance has 1 GPU"):
        await engine.load(tmp_path)


async def test_a_faulty_gpu_loads_nothing(settings: NodeSettings, tmp_path: Path):
    async def faulty() -> tuple[Gpu, ...]:
        return (replace(GPU, remap_failed=True),)

    with pytest.raises(EngineError, match="replace the instance"):
        await VllmEngine(settings, faulty).load(tmp_path)


async def test_no_driver_is_said_plainly(settings: NodeSettings, tmp_path: Path):
    async def none() -> tuple[Gpu, ...]:
        raise GpuError("nvidia-smi cannot be run")

    with pytest.raises(EngineError, match=r"needs 1 GPU.*nvidia-smi cannot be run"):
        await VllmEngine(settings, none).load(tmp_path)


async def test_a_missing_executable_is_named(settings: NodeSettings, tmp_path: Path):
    engine = VllmEngine(replace(settings, vllm=VllmSettings(executable="/no/such/vllm")), one_gpu)
    with pytest.raises(EngineError, match="/no/such/vllm in this node's image"):
        await engine.load(tmp_path)
    await engine.close()
