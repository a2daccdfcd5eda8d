"""llama.cpp inside this process (xllamacpp), for nodes without a GPU and for `make up`."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from inference_service.node.engines import llama_wire
from inference_service.node.engines.characters import mending
from inference_service.node.engines.protocol import Compiler, EngineError, EngineLoad, Feature, Generation, Piece

HTTP_THREADS_SPARE = 4  # beyond the slots: templates, tokens, metrics
NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5)


class LlamaCppEngine:
    """xllamacpp's embedded server on a loopback port of its own, behind a key that only this process knows.

    The model file is mapped into this process. Loading holds Python's lock: the node answers nothing meanwhile (0.3 s
    for a 98 MB file that was just verified and is still in the page cache).
    """

    name = "llama.cpp"
    supports: frozenset[Feature] = frozenset(["json_schema"])

    def __init__(self, *, context_tokens: int, slots: int) -> None:
        self.context_tokens = context_tokens
        self._slots = slots
        self._key = secrets.token_hex(16)
        self._server: Any = None
        self._http: aiohttp.ClientSession | None = None

    async def compiler(self) -> Compiler | None:
        return None

    async def load(self, directory: Path, compiled: Path | None = None) -> None:
        path = model_file(directory)
        self._server = await asyncio.to_thread(self._start, path)
        self._http = aiohttp.ClientSession(
            base_url=self._server.listening_address,
            headers={"Authorization": f"Bearer {self._key}"},
            timeout=NO_TIMEOUT,
            connector=aiohttp.TCPConnector(limit=0, force_close=True),  # it closes idle connections without a word
        )

    def _start(self, path: Path) -> Any:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_MMAP
        params.n_ctx = self.context_tokens * self._slots  # llama.cpp divides it among the slots
        params.n_parallel = self._slots
        params.cpuparams.n_threads = 1  # its threads spin: with busy cores two are slower than one
        params.cpuparams_batch.n_threads = 1
        params.n_threads_http = self._slots + HTTP_THREADS_SPARE
        params.api_keys = [self._key]
        params.port = 0
        params.ui = params.endpoint_slots = params.warmup = params.fit_params = False
        params.endpoint_metrics = True
        params.verbosity = 0
        try:
            return xllamacpp.Server(params)
        except RuntimeError as error:
            raise EngineError(
                f"llama.cpp cannot load {path} with a context of {params.n_ctx} tokens: {error}"
            ) from error

    async def generate(self, request: Generation) -> AsyncGenerator[Piece, None]:
        prompt, received = await self._prompt(request), request.resume_token_ids
        over = Piece("", (), "length", len(prompt), len(received))
        if request.remaining == 0:
            yield over
            return
        reading = llama_wire.Reading(len(prompt), len(received))
        mended = await mending(received, self._text)
        try:
            async with self._client().post("/completion", json=llama_wire.completion_body(request, prompt)) as answer:
                if answer.status != 200:
                    refusal = llama_wire.refusal(answer.status, await answer.read())
                    if received and refusal.code == "context_length_exceeded":  # the received tokens have filled it
                        yield over
                        return
                    raise refusal
                async for line in answer.content:
                    if event := llama_wire.event(line):
                        piece = reading.piece(event, await self._tokens(event, reading.missing(event)))
                        yield await mended.piece(piece)
        except aiohttp.ClientError as error:
            raise EngineError(f"llama.cpp broke off its answer: {error}") from error
        if not reading.finished:
            raise EngineError("llama.cpp broke off its answer")

    def resumes(self, request: Generation) -> bool:
        """Not under a grammar: llama.cpp begins it anew after the prompt, whatever the prompt ends with (measured)."""
        return request.json_schema is None

    async def prompt_tokens(self, request: Generation) -> int:
        return len(await self._prompt(request))

    async def received_text(self, request: Generation) -> str:
        return await self._text(request.resume_token_ids)

    def failure(self) -> str | None:
        return None  # it lives and dies with this process

    async def busy(self) -> EngineLoad | None:
        try:
            async with self._client().get("/metrics", timeout=aiohttp.ClientTimeout(total=5)) as answer:
                return llama_wire.busy(await answer.text())
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def close(self) -> None:
        if self._http:
            await self._http.close()
        server, self._server, self._http = self._server, None, None
        del server  # its threads end and the file is unmapped

    async def _prompt(self, request: Generation) -> list[int]:
        """The model's own chat template, applied and tokenized by the engine."""
        templated = await self._ask("/apply-template", {"messages": list(request.messages)})
        return await self._tokenize(templated["prompt"], special=True)

    async def _tokens(self, event: Mapping[str, Any], missing: int) -> Sequence[int]:
        """The event's tokens. Of a character that took several, llama.cpp's stream names the last one only."""
        named: list[int] = event["tokens"]
        if not missing:
            return named
        return llama_wire.with_swallowed(await self._tokenize(event["content"], special=False), named, missing)

    async def _text(self, tokens: Sequence[int]) -> str:
        text: str = (await self._ask("/detokenize", {"tokens": list(tokens)}))["content"]
        return text

    async def _tokenize(self, text: str, *, special: bool) -> list[int]:
        body = {"content": text, "add_special": special, "parse_special": special}
        tokens: list[int] = (await self._ask("/tokenize", body))["tokens"]
        return tokens

    async def _ask(self, path: str, body: Mapping[str, Any]) -> Any:
        try:
            async with self._client().post(path, json=body) as answer:
                if answer.status != 200:
                    raise llama_wire.refusal(answer.status, await answer.read())
                return await answer.json()
        except aiohttp.ClientError as error:
            raise EngineError(f"llama.cpp does not answer {path}: {error}") from error

    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise EngineError("llama.cpp has no model loaded", status=503)
        return self._http


def model_file(directory: Path) -> Path:
    """The GGUF file of a version; of a split model its first part, which names the others.

    Raises:
        EngineError: there is none, or several that are no parts of one.
    """
    files = sorted(directory.rglob("*.gguf"))
    firsts = [file for file in files if "-00001-of-" in file.name] or files
    if len(firsts) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise EngineError(f"llama.cpp needs one GGUF model in a version, found {names} in {directory}")
    return firsts[0]
