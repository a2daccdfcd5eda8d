"""Whether a model and the instance types of its fleet fit each other, before one of them is paid for. Pure.

Decoding reads all weights for each token, so GPU memory bandwidth decides how fast a node answers
(https://docs.vultr.com/inference-cookbook/cuda/getting-started/hardware-overview); on a CPU we go by vCPUs. A fleet
spreads requests evenly, so its types should be about equally fast.
"""

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from infra.instance_types import FILE, InstanceType, known, lookup

# What vLLM takes of a GPU: 0.9 in many releases, 0.92 since (https://docs.vllm.ai/en/stable/api/vllm/config/cache/).
GPU_MEMORY_SHARE = 0.9
BFLOAT16_CAPABILITY = 8.0  # vLLM refuses less: https://github.com/vllm-project/vllm/issues/1157
# Below, vLLM only stores weights in FP8 and computes in 16 bits: https://docs.vllm.ai/en/stable/features/quantization/fp8/
FP8_CAPABILITY = 8.9
SPREAD = 0.25
SUGGESTIONS = 3


@dataclass(frozen=True)
class Choice:
    """What a model's settings say of its size and of its nodes.

    Attributes:
        gpu_memory_gib: weights and KV cache at the configured context, all GPUs of a node together; 0 is not given.
        memory_gib: the same for llama.cpp, in the node's main memory; 0 is not given.
    """

    instance_types: Sequence[str]
    engine: str
    gpu_memory_gib: float = 0
    tensor_parallel_size: int = 1
    dtype: str | None = None
    quantization: str | None = None
    memory_gib: float = 0


def problems(choice: Choice) -> list[str]:
    """Everything that does not fit, a sentence each, with what would."""
    types = [each for name in choice.instance_types if (each := lookup(name))]
    rules = _RULES[choice.engine]
    said = [_unknown(name) for name in choice.instance_types if not lookup(name)]
    if choice.engine == "vllm" and not choice.gpu_memory_gib:
        said.append("gpu_memory_gib is 0, and engine vllm needs it; give the GiB of the weights and of the KV cache")
    for rule in rules:
        said += _of_rule(rule, types, choice)
    return said + _uneven([each for each in types if not any(rule(each, choice) for rule in rules)])


Rule = Callable[[InstanceType, Choice], str]  # the objection to a type, or ""; {types} and {has} are filled in


def _has_the_gpus(each: InstanceType, choice: Choice) -> str:
    size = choice.tensor_parallel_size
    if not each.gpus:
        return "engine vllm needs NVIDIA GPUs, which {types} {has} not; take llama.cpp"
    if each.gpus < size:
        return f"tensor_parallel_size is {size}, but {{types}} {{has}} {_gpus(each.gpus)}, too few to start; lower it"
    if each.gpus > size:
        rest = f"{_gpus(each.gpus - size)} would stay idle and be paid for; set it to {each.gpus}"
        return f"tensor_parallel_size is {size}, but {{types}} {{has}} {_gpus(each.gpus)}: {rest}"
    return ""


def _holds_the_model(each: InstanceType, choice: Choice) -> str:
    room = each.gpus * each.gpu.memory_gib * GPU_MEMORY_SHARE if each.gpu else math.inf
    if room >= choice.gpu_memory_gib:
        return ""
    taken = f"vLLM can take {room:.1f} GiB of the {_gpus(each.gpus)} of {{types}}"
    return f"gpu_memory_gib is {choice.gpu_memory_gib:g}, but {taken}; lower context_tokens or slots"


def _computes_in_bfloat16(each: InstanceType, choice: Choice) -> str:
    if choice.dtype != "bfloat16":
        return ""
    return _capability(each, f"dtype is {choice.dtype}", BFLOAT16_CAPABILITY, "set it to float16")


def _computes_in_fp8(each: InstanceType, choice: Choice) -> str:
    if "fp8" not in (choice.quantization or ""):
        return ""
    return _capability(each, f"quantization is {choice.quantization}", FP8_CAPABILITY, "leave it out")


def _capability(each: InstanceType, value: str, least: float, remedy: str) -> str:
    if not each.gpu or each.gpu.compute_capability >= least:
        return ""
    has = f"the {each.gpu.name} of {{types}} has {each.gpu.compute_capability}"
    return f"{value}, which needs compute capability {least}, but {has}; {remedy}"


def _has_no_gpu(each: InstanceType, choice: Choice) -> str:
    if not each.gpus:
        return ""
    return "llama.cpp computes on the CPU, {types} {has} a GPU that would be paid for; take engine vllm"


def _has_the_memory(each: InstanceType, choice: Choice) -> str:
    if each.memory_gib >= choice.memory_gib:
        return ""
    return f"memory_gib is {choice.memory_gib:g}, but {{types}} {{has}} {each.memory_gib:g} GiB; lower context_tokens"


_RULES: dict[str, tuple[Rule, ...]] = {
    "vllm": (_has_the_gpus, _holds_the_model, _computes_in_bfloat16, _computes_in_fp8),
    "llama.cpp": (_has_no_gpu, _has_the_memory),
}


def _of_rule(rule: Rule, types: Sequence[InstanceType], choice: Choice) -> list[str]:
    """One sentence for all types with the same objection."""
    alike: dict[str, list[InstanceType]] = {}
    for each in types:
        if objection := rule(each, choice):
            alike.setdefault(objection, []).append(each)
    return [
        objection.format(types=_listed(these, "and"), has="has" if len(these) == 1 else "have")
        + _instead_of(these, choice)
        for objection, these in alike.items()
    ]


def _instead_of(types: Sequence[InstanceType], choice: Choice) -> str:
    """The cheapest types that keep all rules; where the CPU computes, with no fewer vCPUs."""
    vcpus = min(each.vcpus for each in types) if choice.engine == "llama.cpp" else 0
    rules = _RULES[choice.engine]
    fitting = [each for each in known().values() if each.vcpus >= vcpus and not any(r(each, choice) for r in rules)]
    cheapest = sorted(fitting, key=lambda each: each.on_demand_usd_per_hour or math.inf)[:SUGGESTIONS]
    return f", or choose {_listed(cheapest, 'or')}" if cheapest else f"; no type in infra/{FILE.name} fits"


def _unknown(name: str) -> str:
    near = [each for found in difflib.get_close_matches(name, known(), SUGGESTIONS) if (each := lookup(found))]
    choose = _listed(near, "or") if near else "one that is there"
    return f"{name} is not in infra/{FILE.name}; add its line with its source, or choose {choose}"


def _uneven(types: Sequence[InstanceType]) -> list[str]:
    classes: list[list[InstanceType]] = []
    for each in sorted(types, key=_throughput):
        if not classes or _throughput(each) > _throughput(classes[-1][0]) * (1 + SPREAD):
            classes.append([])
        classes[-1].append(each)
    if len(classes) < 2:
        return []
    unit = "GB/s of GPU memory" if classes[0][0].gpu else "vCPUs"
    named = "; ".join(f"{_span(one)} {unit}: {', '.join(each.name for each in one)}" for one in classes)
    return [
        f"the types are of {len(classes)} throughput classes ({named}), and may differ by {SPREAD:.0%} at most; "
        "keep one class, and put the others into a model of their own"
    ]


def _throughput(each: InstanceType) -> int:
    return each.gpu.bandwidth_gb_per_second * each.gpus if each.gpu else each.vcpus


def _span(types: Sequence[InstanceType]) -> str:
    least, most = _throughput(types[0]), _throughput(types[-1])
    return f"{least}" if least == most else f"{least} to {most}"


def _gpus(count: int) -> str:
    return f"{count} GPU" if count == 1 else f"{count} GPUs"


def _listed(types: Sequence[InstanceType], word: str) -> str:
    *others, last = [each.name for each in types]
    return f"{', '.join(others)} {word} {last}" if others else last
