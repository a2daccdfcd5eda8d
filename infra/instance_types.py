"""EC2 instance types that settings may name, x86-64 alone: what they have, and what an hour costs. Pure; read once.

The facts are in instance_types.csv, a line per type; a type that is not there is added with its source:

- vCPUs, memory, GPUs, memory of one GPU: EC2's DescribeInstanceTypes, through the copy in moto 5.2.5.
- USD per hour, on demand, Linux, us-east-1, of 2026-01-19: the price list that Karpenter generates from AWS's API,
  https://github.com/aws/karpenter-provider-aws/blob/031e72b6099630e960dacb88b48a7e9bb780945f/pkg/providers/pricing/zz_generated.pricing_aws.go
  A type that is not on that list, such as p5e, has no price.
"""

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("instance_types.csv")
PRICES_OF = "2026-01-19"

# Memory bandwidth in GB/s and compute capability, of the variant that AWS has (SXM where there are several).
# Capability: https://developer.nvidia.com/cuda-gpus; the A10G has the A10's chip.
# Bandwidth: T4, A100-40: https://sysrqmts.com/gpus/compare/nvidia-a100-sxm4-40-gb-vs-nvidia-tesla-t4
# A100-80: https://www.nvidia.com/en-us/data-center/a100/
# A10G, L4, L40S, H100, H200: https://genai4a11.github.io/concepts/hardware.html
# B200: https://docs.vultr.com/inference-cookbook/cuda/getting-started/hardware-overview
_CHIPS = {
    "T4": (320, 7.5),
    "A10G": (600, 8.6),
    "L4": (300, 8.9),
    "L40S": (864, 8.9),
    "A100-40": (1555, 8.0),
    "A100-80": (2039, 8.0),
    "H100": (3350, 9.0),
    "H200": (4800, 9.0),
    "B200": (8000, 10.0),
}


@dataclass(frozen=True)
class Gpu:
    """One GPU; `memory_gib` is what EC2 says, without what error correction takes."""

    name: str
    memory_gib: float
    bandwidth_gb_per_second: int
    compute_capability: float


@dataclass(frozen=True)
class InstanceType:
    """One line of the file. No price means that none is known, not that it costs nothing."""

    name: str
    vcpus: int
    memory_gib: float
    gpu: Gpu | None
    gpus: int
    on_demand_usd_per_hour: float | None


def lookup(name: str) -> InstanceType | None:
    """The type of that name, or None where the file has none."""
    return known().get(name)


@functools.cache
def known() -> Mapping[str, InstanceType]:
    """All types by name, in the file's order."""
    with FILE.open(newline="") as lines:
        return {line["type"]: _instance_type(line) for line in csv.DictReader(lines)}


def _instance_type(line: Mapping[str, str]) -> InstanceType:
    price = line["on_demand_usd_per_hour"]
    return InstanceType(
        name=line["type"],
        vcpus=int(line["vcpus"]),
        memory_gib=float(line["memory_gib"]),
        gpu=Gpu(line["gpu"], float(line["gpu_memory_gib"]), *_CHIPS[line["gpu"]]) if line["gpu"] else None,
        gpus=int(line["gpus"]),
        on_demand_usd_per_hour=float(price) if price else None,
    )
