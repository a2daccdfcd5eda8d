"""vLLM as a child process on a Unix socket: it may crash, or be ended, without taking the node along."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from inference_service.node import gpu
from inference_service.node.engines import vllm_version, vllm_wire
from inference_service.node.engines.characters import mending
from inference_service.node.engines.protocol import Compiler, EngineError, EngineLoad, Generation, Piece
from inference_service.node.settings import NodeSettings

HEALTH_POLL_SECONDS = 0.25
TERM_SECONDS = 10.0
OUTPUT_SECONDS = 1.0  # for the last of what an ended child has printed
LAST_LINES = 20
LONGEST_EVENT_BYTES = 4 << 20  # the first event repeats the prompt's token ids
PATIENT = aiohttp.ClientTimeout(total=None, sock_connect=5)

DetectGpus = Callable[[], Awaitable[tuple[gpu.Gpu, ...]]]
ReadVersion = Callable[[str, Mapping[str, str]], Awaitable[str | None]]


class VllmEngine:
    """Starts `vllm serve`, waits for its /health, relays answers."""

    name = "vllm"

    def __init__(
        self,
        settings: NodeSettings,
        detect_gpus: DetectGpus = gpu.detect,
        read_version: ReadVersion = vllm_version.read,
    ) -> None:
        self._settings = settings
        self.supports = vllm_wire.supports(settings.vllm)
        self.context_tokens = settings.context_tokens
        self._detect_gpus = detect_gpus
        self._read_version = read_version
        self._process: asyncio.subprocess.Process | None = None
        self._output: asyncio.Task[None] | None = None
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self._folder: Path | None = None
        self._http: aiohttp.ClientSession | None = None

    async def compiler(self) -> Compiler | None:
        version = await self._read_version(self._settings.vllm.executable, self._settings.child_environment)
        try:
            gpus = await self._detect_gpus()
        except gpu.GpuError:
            return None  # loading says it
        if version is None or not gpus:
            return None
        kind = f"{gpus[0].name}, compute capability {gpus[0].compute_capability}"  # an instance's GPUs are of one kind
        return Compiler(version, kind, vllm_wire.compile_flags(self._settings))

    async def load(self, directory: Path, compiled: Path | None = None) -> None:
        await self._check_gpus()
        self._folder = Path(tempfile.mkdtemp(prefix="warmfleet-vllm-"))  # a socket's path may have 107 bytes at most
        socket = self._folder / "socket"
        command = vllm_wire.serve_command(self._settings, directory, socket)
        kept = vllm_wire.compile_environment(compiled) if compiled else {}
        structlog.get_logger().info("starting vLLM", command=command, compiled=str(compiled))
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**vllm_wire.environment(self._settings), **kept},
                start_new_session=True,  # its workers end with it
            )
        except OSError as error:
            raise EngineError(f"vLLM cannot be started: {error}; is {command[0]} in this node's image?") from error
        self._output = asyncio.create_task(self._log_output(self._process))
        connector = aiohttp.UnixConnector(str(socket), limit=0)
        self._http = aiohttp.ClientSession(
            "http://vllm", connector=connector, timeout=PATIENT, read_bufsize=LONGEST_EVENT_BYTES
        )
        await self._until_healthy()

    async def generate(self, request: Generation) -> AsyncGenerator[Piece, None]:
        prompt = await self._prompt(request)
        received, context = len(request.resume_token_ids), self._settings.context_tokens
        if request.remaining == 0 or (received and len(prompt) + received >= context):
            yield Piece("", (), "length", len(prompt), received)
            return
        reading = vllm_wire.reading(request, len(prompt))
        if request.tools:
            path = "/v1/chat/completions"
            body = vllm_wire.chat_body(request, self._settings.model, len(prompt), context)
        else:
            path = "/v1/completions"
            body = vllm_wire.completion_body(request, self._settings.model, prompt, context)
        mended = await mending(request.resume_token_ids, self._text)
        async with aclosing(self._decoded(path, body, reading)) as pieces:
            async for piece in pieces:
                yield await mended.piece(piece)

    async def _decoded(
        self, path: str, body: Mapping[str, Any], reading: vllm_wire.Reading
    ) -> AsyncGenerator[Piece, None]:
        try:
            async with self._client().post(path, json=body) as answer:
                if answer.status != 200:
                    raise vllm_wire.refusal(answer.status, await answer.read())
                async for line in answer.content:
                    if piece := reading.piece(line):
                        yield piece
        except aiohttp.ClientError as error:
            raise EngineError(f"vLLM broke off its answer: {error}") from error
        if not reading.done:
            raise EngineError("vLLM broke off its answer")

    def resumes(self, request: Generation) -> bool:
        """Not under a grammar, nor with penalties: vLLM counts both from the prompt's end, and what was received is
        part of the prompt (https://docs.vllm.ai/en/stable/api/vllm/sampling_params/). Nor with tools: calls are read
        out of the whole answer."""
        penalties = request.presence_penalty or request.frequency_penalty
        return request.json_schema is None and not penalties and not request.tools

    async def prompt_tokens(self, request: Generation) -> int:
        return len(await self._prompt(request))

    async def received_text(self, request: Generation) -> str:
        return await self._text(request.resume_token_ids)

    async def _text(self, tokens: Sequence[int]) -> str:
        body = {"model": self._settings.model, "tokens": list(tokens)}
        text: str = (await self._ask("/detokenize", body))["prompt"]
        return text

    async def _prompt(self, request: Generation) -> list[int]:
        body = vllm_wire.tokenize_body(request, self._settings.model)
        tokens: list[int] = (await self._ask("/tokenize", body))["tokens"]
        return tokens

    async def _ask(self, path: str, body: Mapping[str, Any]) -> Any:
        try:
            async with self._client().post(path, json=body) as answer:
                if answer.status != 200:
                    raise vllm_wire.refusal(answer.status, await answer.read())
                return await answer.json()
        except aiohttp.ClientError as error:
            raise EngineError(f"vLLM does not answer {path}: {error}") from error

    def failure(self) -> str | None:
        if self._process is None or self._process.returncode is None:
            return None
        return f"vLLM has ended with {self._process.returncode}; its last lines: {' | '.join(self._last_lines)}"

    async def busy(self) -> EngineLoad | None:
        try:
            async with self._client().get("/metrics", timeout=aiohttp.ClientTimeout(total=5)) as answer:
                return vllm_wire.busy(await answer.text())
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def close(self) -> None:
        process, self._process = self._process, None
        if process:
            await _end_group(process)
        if self._output:
            await asyncio.wait({self._output}, timeout=OUTPUT_SECONDS)  # its pipe closes at its end
            self._output.cancel()
        if self._http:
            await self._http.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._output = self._http = self._folder = None

    async def _check_gpus(self) -> None:
        needed = self._settings.vllm.tensor_parallel_size
        try:
            gpus = await self._detect_gpus()
        except gpu.GpuError as error:
            raise EngineError(f"vLLM needs {needed} GPU(s): {error}") from error
        if len(gpus) < needed:
            raise EngineError(
                f"tensor_parallel_size is {needed}, but this instance has {len(gpus)} GPU(s); lower it, or choose "
                "instance types with more"
            )
        if problems := [problem for found in gpus for problem in gpu.faults(found)]:
            raise EngineError("; ".join(problems))

    async def _until_healthy(self) -> None:
        """Poll /health; the caller bounds the time. A child that ends is an error at once."""
        while True:
            if reason := self.failure():
                raise EngineError(reason)
            try:
                async with self._client().get("/health", timeout=aiohttp.ClientTimeout(total=5)) as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass  # it does not listen yet
            await asyncio.sleep(HEALTH_POLL_SECONDS)

    async def _log_output(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while chunk := await process.stdout.read(1 << 16):  # by chunks: a progress bar is one endless line
            for line in chunk.decode(errors="replace").splitlines():
                self._last_lines.append(line.strip())
                structlog.get_logger().info("vllm", line=line.rstrip())

    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise EngineError("vLLM is not running", status=503)
        return self._http


async def _end_group(process: asyncio.subprocess.Process) -> None:
    """End the child and its workers: asked first, forced after 10 s."""
    for number in (signal.SIGTERM, signal.SIGKILL):  # also when the leader has gone: its workers may ignore the first
        with suppress(ProcessLookupError, TimeoutError):
            os.killpg(process.pid, number)
            async with asyncio.timeout(TERM_SECONDS):
                await process.wait()
