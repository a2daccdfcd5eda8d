"""What fits just so, and what is refused in which words, for each rule on instance types."""

from typing import Any

import pytest

from infra.fit import Choice, problems
from infra.instance_types import known


def vllm(*types: str, **given: Any) -> list[str]:
    return problems(Choice(types, "vllm", **{"gpu_memory_gib": 10, **given}))


def llama(*types: str, **given: Any) -> list[str]:
    return problems(Choice(types, "llama.cpp", **given))


@pytest.mark.parametrize(
    ("types", "given"),
    [
        (["g6.xlarge", "g6.16xlarge", "gr6.4xlarge"], {}),
        (["g6.xlarge"], {"gpu_memory_gib": 20.1}),  # 22.35 GiB x 0.9 is 20.115
        (["g6.12xlarge", "g6.24xlarge"], {"tensor_parallel_size": 4, "gpu_memory_gib": 80.4}),
        (["p5.48xlarge"], {"tensor_parallel_size": 8, "gpu_memory_gib": 576}),
        (["g5.xlarge"], {"dtype": "bfloat16"}),
        (["g4dn.xlarge"], {"dtype": "float16"}),
        (["g4dn.xlarge"], {"dtype": "auto", "quantization": "awq"}),
        (["g6.xlarge", "g6.2xlarge"], {"quantization": "fp8"}),  # L4: 8.9
        (["g4dn.xlarge", "g6.xlarge"], {}),  # 320 and 300 GB/s
        (["p4d.24xlarge"], {"tensor_parallel_size": 8, "dtype": "bfloat16"}),  # A100: 8.0
    ],
)
def test_what_vllm_can_use_to_the_limit_is_right(types: list[str], given: dict[str, Any]) -> None:
    assert vllm(*types, **given) == []


@pytest.mark.parametrize(
    ("types", "given", "said"),
    [
        (
            ["g6.xlarge"],
            {"gpu_memory_gib": 0},
            "gpu_memory_gib is 0, and engine vllm needs it; give the GiB of the weights and of the KV cache",
        ),
        (
            ["c7i.xlarge", "m7i.xlarge"],
            {},
            "engine vllm needs NVIDIA GPUs, which c7i.xlarge and m7i.xlarge have not; take llama.cpp, or choose "
            "g4dn.xlarge, g4dn.2xlarge or g6.xlarge",
        ),
        (
            ["g6.xlarge"],
            {"tensor_parallel_size": 4},
            "tensor_parallel_size is 4, but g6.xlarge has 1 GPU, too few to start; lower it, or choose g4dn.12xlarge, "
            "g6.12xlarge or g5.12xlarge",
        ),
        (
            ["p4d.24xlarge"],
            {"tensor_parallel_size": 7},
            "tensor_parallel_size is 7, but p4d.24xlarge has 8 GPUs: 1 GPU would stay idle and be paid for; set it to 8"
            "; no type in infra/instance_types.csv fits",
        ),
        (
            ["g6.12xlarge"],
            {},
            "tensor_parallel_size is 1, but g6.12xlarge has 4 GPUs: 3 GPUs would stay idle and be paid for; set it to "
            "4, or choose g4dn.xlarge, g4dn.2xlarge or g6.xlarge",
        ),
        (
            ["g6.xlarge", "g6.2xlarge"],
            {"gpu_memory_gib": 20.2},
            "gpu_memory_gib is 20.2, but vLLM can take 20.1 GiB of the 1 GPU of g6.xlarge and g6.2xlarge; lower "
            "context_tokens or slots, or choose g6e.xlarge, g6e.2xlarge or g6e.4xlarge",
        ),
        (
            ["p5.48xlarge"],
            {"tensor_parallel_size": 8, "gpu_memory_gib": 1500},
            "gpu_memory_gib is 1500, but vLLM can take 576.0 GiB of the 8 GPUs of p5.48xlarge; lower context_tokens or "
            "slots; no type in infra/instance_types.csv fits",
        ),
        (
            ["g4dn.xlarge"],
            {"dtype": "bfloat16"},
            "dtype is bfloat16, which needs compute capability 8.0, but the T4 of g4dn.xlarge has 7.5; set it to "
            "float16, or choose g6.xlarge, g6.2xlarge or g5.xlarge",
        ),
        (
            ["g5.xlarge"],
            {"quantization": "fp8"},
            "quantization is fp8, which needs compute capability 8.9, but the A10G of g5.xlarge has 8.6; leave it out, "
            "or choose g6.xlarge, g6.2xlarge or g6.4xlarge",
        ),
        (
            ["g6e.xlarge", "g6.xlarge", "g4dn.xlarge"],
            {},
            "the types are of 2 throughput classes (300 to 320 GB/s of GPU memory: g6.xlarge, g4dn.xlarge; 864 GB/s of "
            "GPU memory: g6e.xlarge), and may differ by 25% at most; keep one class, and put the others into a model "
            "of their own",
        ),
    ],
)
def test_what_vllm_cannot_use_is_said_with_value_limit_and_remedy(
    types: list[str], given: dict[str, Any], said: str
) -> None:
    assert vllm(*types, **given) == [said]


@pytest.mark.parametrize(
    ("types", "given"),
    [
        (["c7i.xlarge", "m7a.xlarge", "r6i.xlarge"], {}),
        (["c5.9xlarge", "c7i.8xlarge"], {}),  # 36 and 32 vCPUs
        (["c7i.xlarge"], {"memory_gib": 8}),
        (["c7i.xlarge"], {"gpu_memory_gib": 500, "dtype": "bfloat16", "tensor_parallel_size": 8}),
    ],
)
def test_what_llama_cpp_can_use_to_the_limit_is_right(types: list[str], given: dict[str, Any]) -> None:
    assert llama(*types, **given) == []


@pytest.mark.parametrize(
    ("types", "given", "said"),
    [
        (
            ["g5.xlarge"],
            {},
            "llama.cpp computes on the CPU, g5.xlarge has a GPU that would be paid for; take engine vllm, or choose "
            "t3a.xlarge, c6a.xlarge or c5a.xlarge",
        ),
        (
            ["c7i.xlarge"],
            {"memory_gib": 8.5},
            "memory_gib is 8.5, but c7i.xlarge has 8 GiB; lower context_tokens, or choose t3a.xlarge, t3.xlarge or "
            "m5a.xlarge",
        ),
        (
            ["c7i.2xlarge", "c7i.xlarge"],
            {},
            "the types are of 2 throughput classes (4 vCPUs: c7i.xlarge; 8 vCPUs: c7i.2xlarge), and may differ by 25% "
            "at most; keep one class, and put the others into a model of their own",
        ),
    ],
)
def test_what_llama_cpp_cannot_use_is_said_with_value_limit_and_remedy(
    types: list[str], given: dict[str, Any], said: str
) -> None:
    assert llama(*types, **given) == [said]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("g6.xlarg", "g6.xlarge, g6e.xlarge or g6.8xlarge"),
        ("zz.top", "one that is there"),
        ("", "one that is there"),
    ],
)
def test_a_type_that_is_not_in_the_file_is_refused_with_near_ones(name: str, remedy: str) -> None:
    said = f"{name} is not in infra/instance_types.csv; add its line with its source, or choose {remedy}"
    assert vllm(name) == [said]
    assert llama(name) == [said]


def test_all_problems_are_said_at_once_but_not_those_that_follow_from_another() -> None:
    said = vllm("g9.xlarge", "g6.12xlarge", "g4dn.xlarge", "g6.xlarge", gpu_memory_gib=0, dtype="bfloat16")
    starts = ["g9.xlarge is not in", "gpu_memory_gib is 0", "tensor_parallel_size is 1", "dtype is bfloat16"]
    assert [each[: len(start)] for each, start in zip(said, starts, strict=True)] == starts


def test_each_class_is_named_with_its_range_and_its_types() -> None:
    (said,) = llama("c7i.12xlarge", "c5.9xlarge", "c7i.8xlarge")
    assert "(32 to 36 vCPUs: c7i.8xlarge, c5.9xlarge; 48 vCPUs: c7i.12xlarge)" in said


def test_every_type_fits_a_small_model_of_its_engine() -> None:
    for each in known().values():
        assert (vllm(each.name, tensor_parallel_size=each.gpus) if each.gpus else llama(each.name)) == []
