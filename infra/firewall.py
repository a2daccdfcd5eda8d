"""Security groups: each rule a resource of its own, none wider than one port."""

import pulumi
import pulumi_aws as aws

HTTPS = 443
SSH = 22


def group(
    name: str, description: str, vpc_id: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> aws.ec2.SecurityGroup:
    """A group without rules: nothing in, and, as Pulumi's provider removes AWS's own rule, nothing out."""
    return aws.ec2.SecurityGroup(name, description=description, vpc_id=vpc_id, opts=opts)


def allow_from_group(
    name: str, into: pulumi.Output[str], source: pulumi.Output[str], port: int, opts: pulumi.ResourceOptions
) -> None:
    """Members of `source` may connect to members of `into`."""
    aws.vpc.SecurityGroupIngressRule(
        name,
        description=name,
        security_group_id=into,
        referenced_security_group_id=source,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        opts=opts,
    )


def allow_from_range(name: str, into: pulumi.Output[str], cidr: str, port: int, opts: pulumi.ResourceOptions) -> None:
    """Addresses of `cidr` may connect to members of `into`."""
    aws.vpc.SecurityGroupIngressRule(
        name,
        description=name,
        security_group_id=into,
        cidr_ipv4=cidr,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        opts=opts,
    )


def allow_to_group(
    name: str, out_of: pulumi.Output[str], target: pulumi.Output[str], port: int, opts: pulumi.ResourceOptions
) -> None:
    """Members of `out_of` may connect to members of `target`."""
    aws.vpc.SecurityGroupEgressRule(
        name,
        description=name,
        security_group_id=out_of,
        referenced_security_group_id=target,
        ip_protocol="tcp",
        from_port=port,
        to_port=port,
        opts=opts,
    )


def allow_ssh(name: str, into: pulumi.Output[str], source_id: str, opts: pulumi.ResourceOptions) -> None:
    """Members of the group that the settings name may open an ssh connection; nobody, where they name none."""
    if source_id:
        allow_from_group(f"{name}-ssh", into, pulumi.Output.from_input(source_id), SSH, opts)


def allow_https_out(name: str, out_of: pulumi.Output[str], opts: pulumi.ResourceOptions) -> None:
    """Members of `out_of` may call AWS, whose addresses change: any address, but this one port."""
    aws.vpc.SecurityGroupEgressRule(
        name,
        description=name,
        security_group_id=out_of,
        cidr_ipv4="0.0.0.0/0",
        ip_protocol="tcp",
        from_port=HTTPS,
        to_port=HTTPS,
        opts=opts,
    )
