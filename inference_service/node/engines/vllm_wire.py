"""What we say to vLLM and what it says back: command line, request body, stream. Pure; written for vLLM 0.32.

https://docs.vllm.ai/en/stable/cli/serve.html, https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from inference_service.node.engines.prometheus_text import value
from inference_service.node.engines.protocol import (
    EngineError,
    EngineLoad,
    Feature,
    FinishReason,
    Generation,
    Piece,
    TokenLogprob,
)
from inference_service.node.settings import NodeSettings, VllmSettings

DONE = b"data: [DONE]"
OFFLINE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


def supports(options: VllmSettings) -> frozenset[Feature]:
    """What vLLM can do with these options. It reads calls out of answers only if it is told how models write them."""
    parser = any(each.partition("=")[0] == "--tool-call-parser" for each in options.extra_arguments)
    return frozenset(["json_schema", "logprobs", "tools"] if parser else ["json_schema", "logprobs"])


def serve_command(settings: NodeSettings, directory: Path, socket: Path) -> list[str]:
    """The command line for a model directory. Remote code stays off: publishing refuses it as well."""
    options = {
        "--served-model-name": settings.model,
        "--uds": str(socket),
        "--tensor-parallel-size": str(settings.vllm.tensor_parallel_size),
        "--max-model-len": str(settings.context_tokens),
        "--max-num-seqs": str(settings.slots),
        "--dtype": settings.vllm.dtype,
        "--quantization": settings.vllm.quantization,
    }
    pairs = [part for name, option in options.items() if option is not None for part in (name, option)]
    return [settings.vllm.executable, "serve", str(directory), *pairs, *settings.vllm.extra_arguments]


def compile_flags(settings: NodeSettings) -> tuple[str, ...]:
    """What of the command line and of vLLM's own variables may change the code that it compiles: all but paths, and
    what the node itself sets of them, of which nothing does (how long it waits, and that it reports no usage).
    """
    command = serve_command(settings, Path("model"), Path("socket"))[2:]
    own = (f"{name}={text}" for name, text in settings.child_environment.items() if name.startswith("VLLM_"))
    return (*command, *sorted(own))


def environment(settings: NodeSettings) -> dict[str, str]:
    """vLLM's variables. By itself it gives up an engine that has not loaded within 600 s: the node's limit holds.

    https://docs.vllm.ai/en/stable/configuration/env_vars/
    """
    most = {"VLLM_ENGINE_READY_TIMEOUT_S": str(math.ceil(settings.load_timeout_seconds))}
    return {**settings.child_environment, **OFFLINE, **most}


def compile_environment(compiled: Path) -> dict[str, str]:
    """Where vLLM and Triton keep what they compile.

    https://docs.vllm.ai/en/stable/configuration/env_vars/, https://triton-lang.org/main/index.html
    """
    return {"VLLM_CACHE_ROOT": str(compiled), "TRITON_CACHE_DIR": str(compiled / "triton")}


def tokenize_body(request: Generation, model: str) -> dict[str, Any]:
    """The question as token ids: the model's own chat template, applied by vLLM."""
    asked = {"model": model, "messages": list(request.messages), "add_generation_prompt": True}
    return asked | ({"tools": request.tools["tools"]} if request.tools else {})


def completion_body(request: Generation, model: str, prompt: Sequence[int], context_tokens: int) -> dict[str, Any]:
    """The completion after these tokens, and the answer's so far, that makes vLLM stream text and token ids.

    Answers begin the same way as they are resumed: the chat endpoint takes no token ids.
    """
    tokens = [*prompt, *request.resume_token_ids]
    asked = {"model": model, "prompt": tokens} | _decoding(request, max(1, context_tokens - len(tokens)))
    return asked if request.top_logprobs is None else asked | {"logprobs": request.top_logprobs}


def chat_body(request: Generation, model: str, prompt_tokens: int, context_tokens: int) -> dict[str, Any]:
    """The chat completion for a request that offers tools: only this endpoint reads calls out of what is decoded."""
    asked = {"model": model, "messages": list(request.messages), **request.tools}
    if request.top_logprobs is not None:
        asked |= {"logprobs": True, "top_logprobs": request.top_logprobs}
    return asked | _decoding(request, max(1, context_tokens - prompt_tokens))


def _decoding(request: Generation, room: int) -> dict[str, Any]:
    """What both endpoints are told of an answer for which the context has so much room."""
    schema = {"type": "json_schema", "json_schema": {"name": "answer", "schema": request.json_schema}}
    options = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed_from_here(),
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "response_format": schema if request.json_schema else None,
    }
    return {
        # Completions without a limit have 16 tokens; one beyond the context is an error.
        "max_tokens": room if request.remaining is None else min(room, request.remaining),
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
    } | {name: option for name, option in options.items() if option is not None}


@dataclass
class Reading:
    """Where the reading of one stream stands. `received`: tokens of the answer that were decoded elsewhere."""

    prompt_tokens: int = 0
    received: int = 0
    top_logprobs: int = 0
    completion_tokens: int = 0
    finish: FinishReason | None = None
    done: bool = False

    def piece(self, line: bytes) -> Piece | None:
        """The piece that one line stands for, if any; the last one comes with [DONE], when all counts are known.

        Raises:
            EngineError: vLLM reports a failure in the stream, which it does with HTTP status 200.
        """
        if line.startswith(DONE):
            self.done = True
            if self.finish is None:
                raise EngineError("vLLM ended an answer without a reason")
            return self._last()
        if not line.startswith(b"data: "):
            return None
        event = json.loads(line[6:])
        if "error" in event:
            raise refusal(int(event["error"].get("code") or 500), line[6:])
        self._count(event)
        return self._choice(event["choices"][0]) if event["choices"] else None

    @property
    def _total(self) -> int:
        return self.received + self.completion_tokens

    def _count(self, event: Mapping[str, Any]) -> None:
        if usage := event.get("usage"):
            self.completion_tokens = usage["completion_tokens"]

    def _choice(self, choice: Mapping[str, Any]) -> Piece | None:
        reason = choice.get("finish_reason")
        if reason in ("abort", "error"):
            raise EngineError(f"vLLM gave up an answer: {reason}")
        if reason:
            self.finish = reason if reason in ("length", "tool_calls") else "stop"
        tokens = tuple(choice.get("token_ids") or ())
        text = self._text(choice)
        self.completion_tokens += len(tokens)
        if not text and not tokens:
            return None
        likely = self._likely(choice["logprobs"]) if choice.get("logprobs") else ()
        return Piece(text, tokens, None, self.prompt_tokens, self._total, likely)

    def _likely(self, document: Mapping[str, Any]) -> tuple[TokenLogprob, ...]:
        """vLLM names the token itself among the likeliest ones, first, also where it is none of them."""
        rows = zip(document["tokens"], document["token_logprobs"], document["top_logprobs"], strict=True)
        return tuple(self._likelihood(token, logprob, named.items()) for token, logprob, named in rows)

    def _likelihood(self, token: str, logprob: float, named: Iterable[tuple[str, float]]) -> TokenLogprob:
        likeliest = sorted(named, key=lambda each: -each[1])
        return TokenLogprob(token, logprob, tuple(likeliest[: self.top_logprobs]))

    def _text(self, choice: Mapping[str, Any]) -> str:
        return choice.get("text") or ""

    def _last(self) -> Piece:
        return Piece("", (), self.finish, self.prompt_tokens, self._total)


@dataclass
class ToolReading(Reading):
    """A chat completion's stream, in which calls come bit by bit: the last piece has all of them, and the text."""

    text: str = ""
    calls: dict[int, dict[str, Any]] = field(default_factory=dict)

    def _text(self, choice: Mapping[str, Any]) -> str:
        delta = choice["delta"]
        self.text += delta.get("content") or ""
        for part in delta.get("tool_calls") or ():
            self._add(part)
        return ""

    def _likely(self, document: Mapping[str, Any]) -> tuple[TokenLogprob, ...]:
        rows = (
            (each, ((top["token"], top["logprob"]) for top in each["top_logprobs"])) for each in document["content"]
        )
        return tuple(self._likelihood(each["token"], each["logprob"], named) for each, named in rows)

    def _add(self, part: Mapping[str, Any]) -> None:
        empty = {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
        call, function = self.calls.setdefault(part["index"], empty), part.get("function") or {}
        call["id"] = part.get("id") or call["id"]
        for member in ("name", "arguments"):
            call["function"][member] += function.get(member) or ""

    def _last(self) -> Piece:
        calls = tuple(self.calls[index] for index in sorted(self.calls))
        return replace(super()._last(), text=self.text, tool_calls=calls)


def reading(request: Generation, prompt_tokens: int) -> Reading:
    """For the stream that answers this request."""
    kind = ToolReading if request.tools else Reading
    return kind(prompt_tokens, len(request.resume_token_ids), request.top_logprobs or 0)


def refusal(status: int, body: bytes) -> EngineError:
    """vLLM's error document, `{"error": {...}}` or its bare members, as ours."""
    try:
        document = json.loads(body)
        error = document.get("error", document)
        message, param = str(error["message"]), error.get("param")
    except (ValueError, KeyError, AttributeError):
        message, param = body.decode(errors="replace")[:500], None
    if "maximum context length" in message:
        return EngineError(message, status=status, param="messages", code="context_length_exceeded")
    return EngineError(message, status=status, param=param)


def busy(metrics: str) -> EngineLoad:
    """Figures of vLLM's /metrics, over all its engines."""
    running, waiting = value(metrics, "vllm:num_requests_running"), value(metrics, "vllm:num_requests_waiting")
    return EngineLoad(int(running or 0), int(waiting or 0), value(metrics, "vllm:kv_cache_usage_perc"))
