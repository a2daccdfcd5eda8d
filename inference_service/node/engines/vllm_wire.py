"""What we say to vLLM and what it says back: command line, request body, stream. Pure; written for vLLM 0.32.

https://docs.vllm.ai/en/stable/cli/serve.html, https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference_service.node.engines.prometheus_text import value
from inference_service.node.engines.protocol import EngineError, EngineLoad, FinishReason, Generation, Piece
from inference_service.node.settings import NodeSettings

DONE = b"data: [DONE]"
OFFLINE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


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
    """What of the command line and of vLLM's own variables may change the code that it compiles: all but paths."""
    command = serve_command(settings, Path("model"), Path("socket"))[2:]
    own = (f"{name}={text}" for name, text in settings.child_environment.items() if name.startswith("VLLM_"))
    return (*command, *sorted(own))


def compile_environment(compiled: Path) -> dict[str, str]:
    """Where vLLM and Triton keep what they compile.

    https://docs.vllm.ai/en/stable/configuration/env_vars/, https://triton-lang.org/main/index.html
    """
    return {"VLLM_CACHE_ROOT": str(compiled), "TRITON_CACHE_DIR": str(compiled / "triton")}


def tokenize_body(request: Generation, model: str) -> dict[str, Any]:
    """The question as token ids: the model's own chat template, applied by vLLM."""
    return {"model": model, "messages": list(request.messages), "add_generation_prompt": True}


def completion_body(request: Generation, model: str, prompt: Sequence[int], context_tokens: int) -> dict[str, Any]:
    """The completion after these tokens, and the answer's so far, that makes vLLM stream text and token ids.

    Answers begin the same way as they are resumed: the chat endpoint takes no token ids.
    """
    schema = {"type": "json_schema", "json_schema": {"name": "answer", "schema": request.json_schema}}
    options = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed_from_here(),
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "response_format": schema if request.json_schema else None,
    }
    tokens = [*prompt, *request.resume_token_ids]
    room = max(1, context_tokens - len(tokens))  # without a limit this endpoint decodes 16 tokens
    return {
        "model": model,
        "prompt": tokens,
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
            return Piece("", (), self.finish or "stop", self.prompt_tokens, self._total)
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
            self.finish = "length" if reason == "length" else "stop"
        tokens = tuple(choice.get("token_ids") or ())
        text = choice.get("text") or ""
        self.completion_tokens += len(tokens)
        return Piece(text, tokens, None, self.prompt_tokens, self._total) if text or tokens else None


def refusal(status: int, body: bytes) -> EngineError:
    """vLLM's error document, `{"error": {...}}` or its bare members, as ours."""
    try:
        document = json.loads(body)
        error = document.get("error", document)
        message, param = str(error["message"]), error.get("param")
    except (ValueError, KeyError, AttributeError):
        message, param = body.decode(errors="replace")[:500], None
    code = "context_length_exceeded" if "maximum context length" in message else None
    return EngineError(message, status=status, param=param, code=code)


def busy(metrics: str) -> EngineLoad:
    """Figures of vLLM's /metrics, over all its engines."""
    running, waiting = value(metrics, "vllm:num_requests_running"), value(metrics, "vllm:num_requests_waiting")
    return EngineLoad(int(running or 0), int(waiting or 0), value(metrics, "vllm:kv_cache_usage_perc"))
