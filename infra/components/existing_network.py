"""A VPC that was there before: looked up and checked, never changed."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.components.network import Subnets


class NetworkError(pulumi.RunError):
    """The VPC, or the subnets in it, are not what the settings say."""


def existing_network(vpc_id: str, subnet_ids: Sequence[str], file: str, opts: pulumi.InvokeOptions) -> Subnets:
    """Where instances live in the VPC `vpc_id`; its owner sees to its routes to S3 and to the AWS APIs.

    Raises:
        NetworkError: the VPC or a subnet does not exist, or does not fit; the text names all of them and `file`.
    """
    try:
        aws.ec2.get_vpc(id=vpc_id, opts=opts)
    except Exception as error:  # whatever the SDK makes of the provider's refusal
        raise NetworkError(f"vpc_id is {vpc_id}, which cannot be read here: {_reason(error)}; see {file}") from None
    zones: dict[str, str] = {}
    problems = []
    for subnet_id in subnet_ids:
        try:
            subnet = aws.ec2.get_subnet(id=subnet_id, opts=opts)
        except Exception as error:
            problems.append(f"subnet {subnet_id} cannot be read here: {_reason(error)}")
            continue
        if subnet.vpc_id != vpc_id:
            problems.append(f"subnet {subnet_id} belongs to {subnet.vpc_id}, not to {vpc_id}")
        elif other := zones.get(subnet.availability_zone):
            problems.append(f"subnets {other} and {subnet_id} are both in {subnet.availability_zone}")
        zones.setdefault(subnet.availability_zone, subnet_id)
    if problems:
        raise NetworkError(f"subnet_ids in {file}: {'; '.join(problems)}; name private subnets of {vpc_id}, one a zone")
    return Subnets(
        pulumi.Output.from_input(vpc_id), [pulumi.Output.from_input(each) for each in subnet_ids], ready=None
    )


def _reason(error: Exception) -> str:
    """The last thing that the SDK says: what AWS answered."""
    return str(error).strip().splitlines()[-1].rpartition("returned an error: ")[2].removesuffix(".")
