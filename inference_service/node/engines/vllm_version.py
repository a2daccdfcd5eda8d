"""Which vLLM an executable is, read from its environment's package metadata: importing it would take seconds."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

import structlog

TIMEOUT_SECONDS = 20.0
PACKAGES = ("vllm", "torch")
ASK = "import sys; from importlib.metadata import version; print(', '.join(f'{p} {version(p)}' for p in sys.argv[1:]))"


def interpreter(first_line: bytes) -> str | None:
    """The Python that a console script names in its first line."""
    if not first_line.startswith(b"#!") or b"python" not in first_line:
        return None
    return first_line[2:].decode(errors="replace").strip()


async def read(executable: str, environ: Mapping[str, str]) -> str | None:
    """Such as "vllm 0.32.0, torch 2.13.0"; None, and a line in the log, where it cannot be told."""
    try:
        return await _asked(executable, environ)
    except (OSError, ValueError) as error:
        structlog.get_logger().warning("vLLM's version is unknown: its compiled code is not shared", reason=str(error))
        return None


async def _asked(executable: str, environ: Mapping[str, str]) -> str:
    found = shutil.which(executable, path=environ.get("PATH"))
    python = interpreter(_first_line(Path(found))) if found else None
    if python is None:
        raise ValueError(f"{executable} is no script of a Python environment")
    pipe = asyncio.subprocess.PIPE
    command = [python, "-c", ASK, *PACKAGES]
    process = await asyncio.create_subprocess_exec(*command, env=dict(environ), stdout=pipe, stderr=pipe)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            output, errors = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.communicate()  # to the end of its output, or its pipes outlive the loop
        raise ValueError(f"{python} has not answered within {TIMEOUT_SECONDS:.0f} s") from error
    if process.returncode:
        raise ValueError(errors.decode(errors="replace").strip()[-300:])
    return output.decode().strip()


def _first_line(script: Path) -> bytes:
    with script.open("rb") as stream:
        return stream.readline(1024)
