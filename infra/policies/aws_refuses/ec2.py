"""Launch templates, instances and volumes."""

import base64
import binascii
import re
from collections.abc import Iterator

from infra.policies.resource import Resource, number
from infra.policies.rule import between, only_with, rule, shown

TEMPLATE, INSTANCE = "aws:ec2/launchTemplate:LaunchTemplate", "aws:ec2/instance:Instance"
VOLUME = "aws:ebs/volume:Volume"

API = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/"
VOLUMES = "https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html"
USER_DATA_BYTES = 16384
EBS = "blockDeviceMappings[].ebs"
SIZES_GIB = {
    "gp2": (1, 16384),
    "gp3": (1, 65536),
    "io1": (4, 16384),
    "io2": (4, 65536),
    "st1": (125, 16384),
    "sc1": (125, 16384),
    "standard": (1, 1024),
}
IOPS = {"gp3": (3000, 80000), "io1": (100, 64000), "io2": (100, 256000)}

LIMITS = [
    between(
        TEMPLATE, "metadataOptions.httpPutResponseHopLimit", 1, 64, f"{API}API_InstanceMetadataOptionsRequest.html"
    ),
    between(
        INSTANCE, "metadataOptions.httpPutResponseHopLimit", 1, 64, f"{API}API_InstanceMetadataOptionsRequest.html"
    ),
]


@rule(TEMPLATE, INSTANCE, source="https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html")
def user_data(machine: Resource) -> Iterator[str]:
    """At most 16 KiB, before base64."""
    for path, encoded in (("userDataBase64", True), ("userData", machine.type == TEMPLATE)):
        for place, value in machine.known(path):
            try:
                raw = base64.b64decode(str(value), validate=True) if encoded else str(value).encode()
            except (binascii.Error, ValueError):
                yield f"{place} is no base64 text; encode the script"
                continue
            if len(raw) > USER_DATA_BYTES:
                yield f"{place} has {len(raw)} bytes; must be at most {USER_DATA_BYTES}: fetch the rest from S3"


@rule(TEMPLATE, source=f"{API}API_CreateLaunchTemplate.html")
def template_name(template: Resource) -> Iterator[str]:
    """3 to 128 letters, digits and ( ) . - / _."""
    name = template.get("name")
    if isinstance(name, str) and not re.fullmatch(r"[a-zA-Z0-9().\-/_]{3,128}", name):
        yield f"name is {shown(name)}; must be 3 to 128 letters, digits and ( ) . - / _"


@rule(TEMPLATE, source=f"{API}API_RequestLaunchTemplateData.html")
def type_or_requirements(template: Resource) -> Iterator[str]:
    """An instance type, or requirements on it."""
    if template.has("instanceType") and template.has("instanceRequirements"):
        yield "instanceType and instanceRequirements given; give at most one"
    kinds = ("allowedInstanceTypes", "excludedInstanceTypes")
    if all(template.has(f"instanceRequirements.{each}") for each in kinds):
        yield f"instanceRequirements has {' and '.join(kinds)}; give at most one"


@rule(TEMPLATE, source=f"{API}API_LaunchTemplateInstanceNetworkInterfaceSpecificationRequest.html")
def groups_on_an_interface(template: Resource) -> Iterator[str]:
    """With network interfaces, security groups stand there."""
    if template.has("networkInterfaces"):
        for path in ("vpcSecurityGroupIds", "securityGroupNames"):
            yield from only_with(template, path, False, "without networkInterfaces: put it into each of them")


@rule(TEMPLATE, INSTANCE, source=f"{API}API_LaunchTemplateSpotMarketOptionsRequest.html")
def spot_options(machine: Resource) -> Iterator[str]:
    """Stopping and hibernating, and an end, belong to persistent requests."""
    base = "instanceMarketOptions.spotOptions"
    persistent = machine.get(f"{base}.spotInstanceType", "one-time") == "persistent"
    behaviour = machine.get(f"{base}.instanceInterruptionBehavior", "terminate")
    if behaviour in ("stop", "hibernate") and not persistent:
        yield f"{base}.instanceInterruptionBehavior is {behaviour}; must be terminate, or spotInstanceType persistent"
    yield from only_with(machine, f"{base}.validUntil", persistent, "with spotInstanceType persistent")
    if machine.has(base) and machine.get("instanceMarketOptions.marketType", "spot") != "spot":
        yield f"{base} with marketType {machine.get('instanceMarketOptions.marketType')}; must be spot"


@rule(TEMPLATE, VOLUME, INSTANCE, source=VOLUMES)
def volumes(resource: Resource) -> Iterator[str]:
    """Size, IOPS and throughput that the type of the volume has; a key belongs to an encrypted one."""
    if resource.type == VOLUME:
        yield from _volume(
            "", {**resource.props, "volumeType": resource.get("type", "gp2"), "volumeSize": resource.get("size")}
        )
    for path in (EBS, "rootBlockDevice", "ebsBlockDevices[]"):
        for place, value in resource.known(path):
            if isinstance(value, dict):
                yield from _volume(f"{place}.", value)


def _volume(at: str, volume: dict[str, object]) -> Iterator[str]:
    kind = volume.get("volumeType") or "gp2"
    if isinstance(kind, str) and kind not in SIZES_GIB:
        yield f"{at}volumeType is {kind!r}; must be one of {', '.join(SIZES_GIB)}"
        return
    if not isinstance(kind, str):
        return
    size, iops, rate = (number(volume.get(each)) for each in ("volumeSize", "iops", "throughput"))
    least, most = SIZES_GIB[kind]
    if size is not None and not least <= size <= most:
        yield f"{at}volumeSize is {size:g}; must be {least} to {most} GiB for {kind}"
    yield from _performance(at, kind, size, iops, rate)
    if volume.get("kmsKeyId") and volume.get("encrypted") in (None, False, "false", ""):
        yield f"{at}kmsKeyId without encrypted; set encrypted to true"


def _performance(at: str, kind: str, size: float | None, iops: float | None, rate: float | None) -> Iterator[str]:
    if iops is not None and kind not in IOPS:
        yield f"{at}iops is {iops:g}, which {kind} does not take; take it out, or choose gp3"
    elif iops is not None and not IOPS[kind][0] <= iops <= IOPS[kind][1]:
        yield f"{at}iops is {iops:g}; must be {IOPS[kind][0]} to {IOPS[kind][1]} for {kind}"
    elif iops is None and kind in ("io1", "io2"):
        yield f"{at}volumeType is {kind} without iops; give them"
    ratio = {"gp3": 500, "io1": 50, "io2": 1000}.get(kind, 0)
    if iops is not None and size is not None and ratio and iops > max(3000 if kind == "gp3" else 100, ratio * size):
        yield f"{at}iops is {iops:g}; must be at most {ratio} a GiB, which makes {ratio * size:g}"
    if rate is not None and kind != "gp3":
        yield f"{at}throughput is {rate:g}, which {kind} does not take; take it out, or choose gp3"
    elif rate is not None and not 125 <= rate <= 2000:
        yield f"{at}throughput is {rate:g}; must be 125 to 2000 MiB/s"
    elif rate is not None and rate > (iops or 3000) / 4:
        yield f"{at}throughput is {rate:g}; must be at most a quarter of iops, which are {iops or 3000:g}"
