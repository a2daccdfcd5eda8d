"""What a stack on AWS needs before its first `up`, each with the command that repairs it. Changes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.settings import Model, StackSettings
from infra.stack import ENGINE_IMAGES, UBUNTU
from infra.vcpu_quotas import SPOT, needed
from scripts import packages
from scripts.aws_prices import quotas
from scripts.machine_checks import Check, check_pulumi
from scripts.stack_cost import demands, types_of

SERVICE_ROLES = {
    "AWSServiceRoleForAutoScaling": "autoscaling.amazonaws.com",
    "AWSServiceRoleForEC2Spot": "spot.amazonaws.com",
}
ADDRESS_QUOTA = "L-0263D0A3"  # EC2-VPC Elastic IPs
FREE_ADDRESSES = 16  # in each subnet, beside one for each node


@dataclass(frozen=True)
class Subject:
    """The stack, and how AWS is asked about it: `client` gives a boto3 client by name."""

    root: Path
    file: str
    settings: StackSettings
    environ: Mapping[str, str]
    aws: Any


def all_checks(subject: Subject) -> Iterator[Check]:
    """Every check, in the order of docs/deploy.md. Without the right account, those that ask AWS are left out."""
    yield check_pulumi(subject.environ)
    yield _bundle(subject.root)
    account = _account(subject)
    yield account
    if not account.ok:
        return
    yield from _roles(subject)
    yield from _asked(_quotas, subject)
    yield from _asked(_images, subject)
    yield from _asked(_offerings, subject)
    yield from _asked(_certificate, subject)
    yield from _asked(_addresses, subject)


def _bundle(root: Path) -> Check:
    built = packages.built(root)
    return Check("service bundle", built, "built" if built else "not built", "" if built else "make bundle")


def _account(subject: Subject) -> Check:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = str(subject.aws.client("sts").get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as error:
        return Check("account", False, str(error).splitlines()[0], "set AWS_PROFILE, or `aws sso login`")
    allowed = subject.settings.allowed_account_ids
    text = f"{found} in {subject.settings.region}"
    if found in allowed:
        return Check("account", True, text)
    remedy = f"choose other credentials with AWS_PROFILE, or put '{found}' into aws:allowedAccountIds of {subject.file}"
    return Check("account", False, f"{text}; {subject.file} allows {', '.join(allowed)}", remedy)


def _roles(subject: Subject) -> Iterator[Check]:
    from botocore.exceptions import ClientError

    for role, service in SERVICE_ROLES.items():
        try:
            subject.aws.client("iam").get_role(RoleName=role)
            yield Check(role, True, "there")
        except ClientError as error:
            remedy = f"aws iam create-service-linked-role --aws-service-name {service}"
            yield Check(role, False, error.response["Error"]["Code"], remedy)


def _quotas(subject: Subject) -> Iterator[Check]:
    wanted = needed(demands(subject.settings))
    limits = quotas(subject.aws.client("service-quotas"), [each.code for each in wanted])
    for quota, vcpus in wanted.items():
        limit = limits[quota.code]
        found = f"{limit:g} vCPUs, a full stack needs {vcpus}"
        remedy = (
            f"aws service-quotas request-service-quota-increase --service-code ec2 --quota-code {quota.code} "
            f"--desired-value {vcpus}" + ("; it can take days" if quota.market == SPOT else "")
        )
        yield Check(quota.name, limit >= vcpus, found, "" if limit >= vcpus else remedy)


def _images(subject: Subject) -> Iterator[Check]:
    from botocore.exceptions import ClientError

    for name in dict.fromkeys([UBUNTU, *(_image(model) for model in subject.settings.models)]):
        try:
            value = subject.aws.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
            yield Check(f"image {name}", True, str(value))
        except ClientError as error:
            remedy = f"name another parameter in image_parameter of {subject.file}"
            yield Check(f"image {name}", False, error.response["Error"]["Code"], remedy)


def _image(model: Model) -> str:
    return model.image_parameter or ENGINE_IMAGES[model.engine]


def _offerings(subject: Subject) -> Iterator[Check]:
    from scripts.aws_prices import offerings

    found = offerings(subject.aws.client("ec2"), types_of(subject.settings))
    absent = sorted(name for name, zones in found.items() if not zones)
    text = f"{len(found) - len(absent)} of {len(found)} types are offered in {subject.settings.region}"
    remedy = f"take {', '.join(absent)} out of {subject.file}, or change the region" if absent else ""
    yield Check("instance types", not absent, text, remedy)


def _certificate(subject: Subject) -> Iterator[Check]:
    arn = subject.settings.certificate_arn
    if not arn:
        return
    found = subject.aws.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    good = found["Status"] == "ISSUED"
    text = f"{found.get('DomainName', arn)}: {found['Status']}"
    remedy = f"aws acm describe-certificate --certificate-arn {arn} says why; or name another in {subject.file}"
    yield Check("certificate", good, text, "" if good else remedy)


def _addresses(subject: Subject) -> Iterator[Check]:
    ec2, settings = subject.aws.client("ec2"), subject.settings
    if settings.subnet_ids:
        nodes = settings.gateway_nodes + sum(
            each.most_spot_nodes + each.most_on_demand_nodes for each in settings.models
        )
        for each in ec2.describe_subnets(SubnetIds=list(settings.subnet_ids))["Subnets"]:
            free = each["AvailableIpAddressCount"]
            text = f"{free} free, a full stack needs up to {nodes + FREE_ADDRESSES}"
            remedy = "" if free >= nodes + FREE_ADDRESSES else f"name larger subnets in subnet_ids of {subject.file}"
            yield Check(f"subnet {each['SubnetId']}", not remedy, text, remedy)
    elif settings.egress != "interface_endpoints":
        wanted = settings.zones if settings.egress == "nat_per_zone" else 1
        used = len(ec2.describe_addresses()["Addresses"])
        reply = subject.aws.client("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode=ADDRESS_QUOTA)
        limit = int(reply["Quota"]["Value"])
        text = f"{used} of {limit} in use, the NAT gateways of a new stack need {wanted}"
        remedy = "" if used + wanted <= limit else "release some with `aws ec2 release-address`, or ask for more"
        yield Check("elastic addresses", not remedy, text, remedy)


def _asked(check: Any, subject: Subject) -> Sequence[Check]:
    """What a check found; one that may not ask says so, and spares the others."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return list(check(subject))
    except (BotoCoreError, ClientError) as error:
        name = check.__name__.strip("_")
        return [Check(name, False, str(error).splitlines()[0], "allow your credentials to ask this, or look yourself")]
