"""The file of instance types is what EC2 says of them."""

import dataclasses

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from infra import instance_types
from infra.instance_types import Gpu, InstanceType, known, lookup

C_FAMILIES = ("c5", "c5a", "c6i", "c6a", "c6in", "c7i", "c7a", "c8i")
M_FAMILIES = ("m5", "m5a", "m6i", "m6a", "m7i", "m7a", "m8i")
CPU_FAMILIES = (*C_FAMILIES, *M_FAMILIES, "r5", "r6i", "r6a", "r7i", "r7a", "t3", "t3a")
GPU_FAMILIES = ("g4dn", "g5", "g6", "g6e", "gr6", "p4d", "p4de", "p5", "p5e", "p5en", "p6-b200")


def family(name: str) -> str:
    return name.partition(".")[0]


def of_ec2(name: str) -> tuple[int, float, int, str, float]:
    """(vCPUs, GiB, GPUs, GPU, GiB of one GPU), as DescribeInstanceTypes has them."""
    found = INSTANCE_TYPES[name]
    gpus = found.get("GpuInfo", {}).get("Gpus", [])
    count, gpu, gib = (
        (gpus[0]["Count"], gpus[0]["Name"], gpus[0]["MemoryInfo"]["SizeInMiB"] / 1024) if gpus else (0, "", 0)
    )
    return found["VCpuInfo"]["DefaultVCpus"], found["MemoryInfo"]["SizeInMiB"] / 1024, count, gpu, round(gib, 2)


@pytest.mark.parametrize("name", known())
def test_a_type_has_what_ec2_says(name: str) -> None:
    found = known()[name]
    gpu = found.gpu
    chip, memory = (gpu.name.partition("-")[0], gpu.memory_gib) if gpu else ("", 0)
    assert (found.vcpus, found.memory_gib, found.gpus, chip, memory) == of_ec2(name)
    assert "x86_64" in INSTANCE_TYPES[name]["ProcessorInfo"]["SupportedArchitectures"]


def test_all_sizes_of_the_families_are_there_but_bare_metal() -> None:
    families = [*CPU_FAMILIES, *GPU_FAMILIES]
    assert set(known()) == {name for name in INSTANCE_TYPES if family(name) in families and ".metal" not in name}
    assert {family(name) for name in known()} == set(families)


def test_gpus_of_the_same_name_with_other_memory_are_told_apart() -> None:
    small, large = lookup("p4d.24xlarge"), lookup("p4de.24xlarge")
    assert small
    assert large
    assert small.gpu == Gpu("A100-40", 40, 1555, 8.0)
    assert large.gpu == Gpu("A100-80", 80, 2039, 8.0)


def test_a_type_is_found_by_its_whole_name() -> None:
    assert lookup("c7i.xlarge") == InstanceType("c7i.xlarge", 4, 8, None, 0, 0.1785)
    assert lookup("c7i.xlarg") is None
    assert lookup("") is None


def test_a_price_that_is_not_known_is_none_and_no_price_is_zero() -> None:
    assert [name for name, each in known().items() if each.on_demand_usd_per_hour is None] == ["p5e.48xlarge"]
    assert all(each.on_demand_usd_per_hour != 0 for each in known().values())


@pytest.mark.parametrize("name", CPU_FAMILIES)
def test_a_cpu_family_costs_the_same_for_each_gib(name: str) -> None:
    """AWS prices its CPU families by size, so that a slip of the pen in the file stands out."""
    members = [each for each in known().values() if family(each.name) == name]
    rates = [each.on_demand_usd_per_hour / each.memory_gib for each in members if each.on_demand_usd_per_hour]
    assert max(rates) == pytest.approx(min(rates), rel=0.001)


def test_the_file_is_read_once_and_what_it_says_cannot_be_changed() -> None:
    assert known() is known()
    found = lookup("g6.xlarge")
    assert found
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.gpus = 2  # type: ignore[misc]


def test_the_file_has_a_line_for_each_type_once() -> None:
    lines = instance_types.FILE.read_text().splitlines()
    assert lines[0] == "type,vcpus,memory_gib,gpus,gpu,gpu_memory_gib,on_demand_usd_per_hour"
    assert len(lines) - 1 == len(known())
