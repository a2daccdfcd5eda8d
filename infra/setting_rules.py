"""Rules that one setting has to keep beyond its type and bounds. Each returns the value, or raises ValueError."""

import ipaddress
import re
from typing import Any, TypeVar

Values = TypeVar("Values", bound=tuple[str, ...])

PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")  # RFC 1918 and RFC 6598

# A "g" right after the generation stands for Graviton, "gb" for Grace
# (https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html).
_ARM = re.compile(r"(a1|[a-z]+\d+g[a-z]*|[a-z0-9]+-gb\d+)\.")
_SIBLINGS = {f"{family}{number}g": f"{family}{number}i" for family in "cmr" for number in (6, 7, 8)}
_SIBLINGS |= {"t4g": "t3", "g5g": "g5"}
_NVIDIA = re.compile(r"(?!g4ad)(g|gr|p)\d")  # g4ad has AMD's


def outside_china(region: str) -> str:
    """The first boot asks S3 at amazonaws.com; China's regions have a domain of their own."""
    if region.startswith("cn-"):
        raise ValueError("is in China, whose AWS has other addresses; choose a region outside")
    return region


def x86_64(instance_type: str) -> str:
    """The service bundle's wheels are for x86-64."""
    if _ARM.match(instance_type):
        sibling = _SIBLINGS.get(instance_type.partition(".")[0])
        choose = f"choose {sibling}, or another" if sibling else "choose an"
        raise ValueError(f"has an ARM processor, and the service bundle is for x86-64; {choose} Intel or AMD type")
    return instance_type


def true_or_false(given: Any) -> Any:
    """Pulumi's CLI takes no `yes` or `on`."""
    if isinstance(given, str) and given not in ("true", "false"):
        raise ValueError("must be true or false")
    return given


def different(types: Values) -> Values:
    """EC2 Auto Scaling refuses a type that stands there twice."""
    if twice := sorted({each for each in types if types.count(each) > 1}):
        raise ValueError(f"must name each instance type once; {', '.join(twice)} stands there twice")
    return types


def fit_engine(types: Values, engine: str | None) -> Values:
    """vLLM needs an NVIDIA GPU; our llama.cpp would leave one idle."""
    wrong = [each for each in types if bool(_NVIDIA.match(each)) != (engine == "vllm")]
    if engine is None or not wrong:
        return types
    if engine == "vllm":
        raise ValueError(
            f"engine vllm needs NVIDIA GPUs, which {', '.join(wrong)} has not; choose g5, g6, g6e, p4d ..."
        )
    raise ValueError(f"engine {engine} computes on the CPU, {', '.join(wrong)} has a GPU; choose c7i, m7i, c7a ...")


def at_most(nodes: int, limit_name: str, limit: int | None) -> int:
    """`limit` is None where that setting is wrong itself."""
    if limit is not None and nodes > limit:
        raise ValueError(f"must be at most {limit_name}, which is {limit}; lower it, or raise the other")
    return nodes


def private_range(text: str) -> str:
    """Nobody outside may reach the gateway: it asks for no key yet."""
    network = ipaddress.IPv4Network(text)
    if not any(network.subnet_of(ipaddress.IPv4Network(each)) for each in PRIVATE):
        raise ValueError(f"must be a private range, inside {' or '.join(PRIVATE)}: the gateway asks for no key yet")
    return text


def vpc_range(text: str) -> str:
    """A quarter of it is one subnet, so /22 leaves 251 addresses each; AWS takes /16 at most."""
    network = ipaddress.IPv4Network(text)
    if not (network.subnet_of(ipaddress.IPv4Network(PRIVATE[0])) and 16 <= network.prefixlen <= 22):
        raise ValueError(f"must be a range from /16 to /22 inside {PRIVATE[0]}")
    return text
