"""What vLLM is told of compiled code, and what its own depends on."""

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from inference_service.node.engines import vllm_version, vllm_wire
from inference_service.node.engines.protocol import Compiler
from inference_service.node.engines.vllm import VllmEngine
from inference_service.node.gpu import Gpu, GpuError
from inference_service.node.settings import NodeSettings, VllmSettings

GPU = Gpu(0, "NVIDIA A10G", "580", 8.6, 23028, 0, 30, 0, 0, remap_pending=False, remap_failed=False)
SETTINGS = NodeSettings(
    "dev",
    "us-east-1",
    "b",
    "m",
    "vllm",
    vllm=VllmSettings(dtype="bfloat16", extra_arguments=("--enforce-eager",)),
    child_environment={"PATH": os.environ["PATH"], "VLLM_USE_V2": "1", "CUDA_VISIBLE_DEVICES": "0"},
)


async def one_gpu() -> tuple[Gpu, ...]:
    return (GPU,)


async def no_gpu() -> tuple[Gpu, ...]:
    raise GpuError("no driver")


async def known(*_: object) -> str | None:
    return "vllm 0.32.0, torch 2.13.0"


async def unknown(*_: object) -> str | None:
    return None


async def test_compiled_code_depends_on_version_gpu_and_every_flag_but_on_no_path():
    flags = ("model", "--served-model-name", "m", "--uds", "socket", "--tensor-parallel-size", "1")
    flags += (
        "--max-model-len",
        "4096",
        "--max-num-seqs",
        "4",
        "--dtype",
        "bfloat16",
        "--enforce-eager",
        "VLLM_USE_V2=1",
    )
    expected = Compiler("vllm 0.32.0, torch 2.13.0", "NVIDIA A10G, compute capability 8.6", flags)
    assert await VllmEngine(SETTINGS, one_gpu, known).compiler() == expected


async def test_how_long_the_node_waits_for_a_load_makes_no_other_code():
    patient = replace(SETTINGS, load_timeout_seconds=SETTINGS.load_timeout_seconds + 1)
    assert vllm_wire.environment(patient) != vllm_wire.environment(SETTINGS)
    assert vllm_wire.compile_flags(patient) == vllm_wire.compile_flags(SETTINGS)


async def test_nothing_is_shared_where_version_or_gpu_are_unknown():
    assert await VllmEngine(SETTINGS, one_gpu, unknown).compiler() is None
    assert await VllmEngine(SETTINGS, no_gpu, known).compiler() is None


async def test_vllm_and_triton_keep_what_they_compile_in_the_directory_that_they_are_given(tmp_path: Path):
    script = tmp_path / "vllm"
    script.write_text(f'#!/bin/sh\nenv > "{tmp_path}/environment"\nexit 3\n')
    script.chmod(0o755)
    settings = NodeSettings(
        "dev", "us-east-1", "b", "m", "vllm", vllm=VllmSettings(executable=str(script)), child_environment={}
    )
    engine = VllmEngine(settings, one_gpu, known)
    with pytest.raises(Exception, match="has ended with 3"):
        await engine.load(tmp_path, tmp_path / "compiled")
    await engine.close()
    given = dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines())
    assert given["VLLM_CACHE_ROOT"] == str(tmp_path / "compiled")
    assert given["VLLM_ENGINE_READY_TIMEOUT_S"] == "1800"  # the node's own limit, not vLLM's 600
    assert given["TRITON_CACHE_DIR"] == str(tmp_path / "compiled" / "triton")
    assert vllm_wire.compile_environment(Path("/c")).keys() <= given.keys()


def script_of(folder: Path, first_line: str) -> str:
    (folder / "vllm").write_text(f"{first_line}\nimport vllm\n")
    (folder / "vllm").chmod(0o755)
    return str(folder / "vllm")


async def test_the_version_is_that_of_the_scripts_own_environment_which_is_not_imported(tmp_path: Path):
    for name, version in (("vllm", "0.32.0"), ("torch", "2.13.0+cu130")):
        metadata = tmp_path / "packages" / f"{name}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    environ = {"PYTHONPATH": str(tmp_path / "packages")}
    found = await vllm_version.read(script_of(tmp_path, f"#!{sys.executable}"), environ)
    assert found == "vllm 0.32.0, torch 2.13.0+cu130"


@pytest.mark.parametrize("first_line", ["#!/bin/sh", "#!/no/such/python", f"#!{sys.executable}"])
async def test_a_version_that_cannot_be_told_is_a_line_in_the_log(tmp_path: Path, first_line: str):
    """A wrapper, an environment that is gone, one without vLLM."""
    with capture_logs() as logs:
        assert await vllm_version.read(script_of(tmp_path, first_line), {}) is None
    assert [each["log_level"] for each in logs] == ["warning"]


async def test_an_environment_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vllm_version, "TIMEOUT_SECONDS", 0.05)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    async with asyncio.timeout(10):
        assert await vllm_version.read(script_of(tmp_path, f"#!{python}"), {"PATH": os.environ["PATH"]}) is None
