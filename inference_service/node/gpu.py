"""NVIDIA GPUs of this node, as `nvidia-smi` reports them: how many, how much memory, in what health.

Fields: https://docs.nvidia.com/deploy/nvidia-smi/index.html and `nvidia-smi --help-query-gpu`.
"""

import asyncio
import csv
from dataclasses import dataclass

FIELDS = (
    "index",
    "name",
    "driver_version",
    "compute_cap",
    "memory.total",
    "memory.used",
    "temperature.gpu",
    "utilization.gpu",
    "ecc.errors.uncorrected.volatile.total",
    "remapped_rows.pending",
    "remapped_rows.failure",
)
QUERY = ("nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits")
TIMEOUT_SECONDS = 20.0  # the first call on a fresh machine initialises the driver
ABSENT = ("[N/A]", "N/A", "[Not Supported]", "[Unknown Error]", "")


class GpuError(Exception):
    """The driver does not answer, or says something that we cannot read."""


@dataclass(frozen=True)
class Gpu:
    """One GPU. None: this model does not report that figure."""

    index: int
    name: str
    driver_version: str
    compute_capability: float | None
    memory_total_mib: int
    memory_used_mib: int
    temperature_celsius: int | None
    utilization_percent: int | None
    uncorrected_ecc_errors: int | None
    remap_pending: bool
    remap_failed: bool

    @property
    def memory_free_mib(self) -> int:
        return self.memory_total_mib - self.memory_used_mib


def parse(text: str) -> tuple[Gpu, ...]:
    """Read what QUERY prints: one line a GPU.

    Raises:
        GpuError: a line that has other fields, or a figure that is no number.
    """
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if row]
    try:
        return tuple(_gpu(dict(zip(FIELDS, row, strict=True))) for row in rows)
    except ValueError as error:
        raise GpuError(f"nvidia-smi answered {text.strip()[:300]!r}: {error}") from error


def faults(gpu: Gpu) -> list[str]:
    """Reasons not to trust this GPU with answers, in words.

    https://docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt/index.html
    """
    problems = []
    if gpu.uncorrected_ecc_errors:
        problems.append(f"{gpu.uncorrected_ecc_errors} uncorrected memory errors since the driver was loaded")
    if gpu.remap_pending:
        problems.append("memory rows wait to be remapped: reset the GPU or replace the instance")
    if gpu.remap_failed:
        problems.append("remapping memory rows failed: replace the instance")
    return [f"GPU {gpu.index} ({gpu.name}): {problem}" for problem in problems]


async def detect() -> tuple[Gpu, ...]:
    """Ask the driver of this machine.

    Raises:
        GpuError: no nvidia-smi, no driver, no answer within 20 s.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *QUERY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except OSError as error:
        raise GpuError(f"nvidia-smi cannot be run ({error}): is this an image with the NVIDIA driver?") from error
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise GpuError(f"nvidia-smi has not answered within {TIMEOUT_SECONDS:.0f} s") from error
    if process.returncode:
        raise GpuError(f"nvidia-smi ended with {process.returncode}: {output.decode(errors='replace').strip()[:300]}")
    return parse(output.decode())


def _gpu(cells: dict[str, str]) -> Gpu:
    def number(field: str) -> float | None:
        return None if cells[field] in ABSENT else float(cells[field])

    def whole(field: str) -> int | None:
        value = number(field)
        return None if value is None else int(value)

    return Gpu(
        index=int(cells["index"]),
        name=cells["name"],
        driver_version=cells["driver_version"],
        compute_capability=number("compute_cap"),
        memory_total_mib=int(cells["memory.total"]),
        memory_used_mib=int(cells["memory.used"]),
        temperature_celsius=whole("temperature.gpu"),
        utilization_percent=whole("utilization.gpu"),
        uncorrected_ecc_errors=whole("ecc.errors.uncorrected.volatile.total"),
        remap_pending=cells["remapped_rows.pending"] in ("Yes", "1"),
        remap_failed=cells["remapped_rows.failure"] in ("Yes", "1"),
    )
