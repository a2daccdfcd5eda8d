"""Rules that one setting has to keep beyond its type and bounds. Each returns the value, or raises ValueError."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic_core import PydanticCustomError

from infra.fit import Choice, problems

Values = TypeVar("Values", bound=tuple[str, ...])

LEAST_SUBNETS = 2  # a load balancer wants two zones
REDIRECT_PORT = 80
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")  # RFC 1918 and RFC 6598

# A "g" right after the generation stands for Graviton, "gb" for Grace
# (https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html).
_ARM = re.compile(r"(a1|[a-z]+\d+g[a-z]*|[a-z0-9]+-gb\d+)\.")
_SIBLINGS = {f"{family}{number}g": f"{family}{number}i" for family in "cmr" for number in (6, 7, 8)}
_SIBLINGS |= {"t4g": "t3", "g5g": "g5"}

# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
LOG_RETENTION_DAYS: tuple[int, ...] = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)


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


def fit_the_model(types: Values, model: Mapping[str, Any]) -> Values:
    """What the instance types of a model have to be; `model` holds those of its other settings that are right."""
    if not {"engine", "vllm", "gpu_memory_gib"} <= model.keys():
        return types
    vllm = model["vllm"]
    found = problems(
        Choice(
            instance_types=types,
            engine=model["engine"],
            gpu_memory_gib=model["gpu_memory_gib"],
            tensor_parallel_size=vllm.tensor_parallel_size,
            dtype=vllm.dtype,
            quantization=vllm.quantization,
        )
    )
    if found:
        raise PydanticCustomError("several", "several problems", {"problems": found})
    return types


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


def apart(ranges: Values) -> Values:
    """A range inside another says nothing more."""
    networks = [ipaddress.IPv4Network(each) for each in ranges]
    for one in networks:
        for other in networks:
            if one is not other and one.subnet_of(other):
                raise ValueError(f"overlap: {one} lies inside {other}; take one of them out")
    return ranges


def subnets_of(subnets: Values, vpc: str | None) -> Values:
    """An existing VPC and its subnets are named together; `vpc` is None where that setting is wrong itself."""
    if vpc and len(subnets) < LEAST_SUBNETS:
        raise ValueError(f"must name at least {LEAST_SUBNETS} private subnets of {vpc}, each in a zone of its own")
    if vpc == "" and subnets:
        raise ValueError("belong to an existing VPC; name it in vpc_id, or take them out")
    return subnets


def of_ssh(value: str, connection: str | None, *, needed: bool) -> str:
    """What only ssh uses; `connection` is None where that setting is wrong itself."""
    if value and connection == "ssm":
        raise ValueError("is for ssh, and connection is ssm; take it out, or choose ssh")
    if needed and not value and connection == "ssh":
        raise ValueError("must name the EC2 key pair of whoever runs Ansible, since connection is ssh")
    return value


def listener_port(port: int, certificate: str | None) -> int:
    """With a certificate, port 80 leads to the encrypted one."""
    if certificate and port == REDIRECT_PORT:
        raise ValueError("is where HTTP is led to HTTPS, since certificate_arn is given; choose 443, or take it out")
    return port


def log_retention(days: int) -> int:
    """CloudWatch Logs takes some numbers of days only."""
    if days not in LOG_RETENTION_DAYS:
        nearest = min(LOG_RETENTION_DAYS, key=lambda each: abs(each - days))
        raise ValueError(f"is none that CloudWatch Logs takes; the nearest is {nearest}")
    return days
