"""The security group that AWS makes with every VPC."""

from typing import Any

from localcloud.provider.errors import ProviderError
from localcloud.provider.handlers.ec2_tags import (
    TAG_INPUTS,
    TAG_OUTPUTS,
    Ec2Resource,
    arn,
    as_mapping,
    tag_outputs,
)
from localcloud.provider.resource import Aws, names
from localcloud.provider.values import Properties


class DefaultSecurityGroup(Ec2Resource):
    """Nothing is made: the group is adopted and loses its rules, and stays when the resource is deleted.

    https://www.pulumi.com/registry/packages/aws/api-docs/ec2/defaultsecuritygroup/
    """

    token = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
    inputs = names("vpcId ingress egress") | TAG_INPUTS
    outputs = names("arn name description ownerId") | inputs | TAG_OUTPUTS
    replaced_by = names("vpcId")

    def create(self, aws: Aws, inputs: Properties) -> str:
        ec2 = aws.client("ec2")
        vpc = inputs.get("vpcId") or _default_vpc(ec2)
        filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
        if not (found := ec2.describe_security_groups(Filters=filters)["SecurityGroups"]):
            raise ProviderError(f"VPC {vpc} has no default security group; give the vpcId of a VPC that exists")
        return str(found[0]["GroupId"])

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        if inputs.get("ingress") or inputs.get("egress"):
            raise ProviderError(
                "rules of a default security group (ingress, egress) are not written here; leave them empty, "
                "and give rules to groups of your own"
            )
        ec2 = aws.client("ec2")
        for outward, revoke in (
            (False, ec2.revoke_security_group_ingress),
            (True, ec2.revoke_security_group_egress),
        ):
            if rules := [each["SecurityGroupRuleId"] for each in _rules(aws, id_) if each["IsEgress"] == outward]:
                revoke(GroupId=id_, SecurityGroupRuleIds=rules)
        self.set_tags(aws, id_, inputs)

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        group = aws.client("ec2").describe_security_groups(GroupIds=[id_])["SecurityGroups"][0]
        rules = _rules(aws, id_)
        return {
            "arn": arn(aws, group["OwnerId"], "security-group", id_),
            "name": group["GroupName"],
            "description": group["Description"],
            "ownerId": group["OwnerId"],
            "vpcId": group["VpcId"],
            "ingress": [_shown(each) for each in rules if not each["IsEgress"]],
            "egress": [_shown(each) for each in rules if each["IsEgress"]],
            **tag_outputs(as_mapping(group.get("Tags", [])), aws),
        }

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        """It goes with its VPC. Asked for all the same: without an answer from AWS nothing is known to be deleted."""
        aws.client("ec2").describe_security_groups(GroupIds=[id_])


def _default_vpc(ec2: Any) -> str:
    found = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not found:
        raise ProviderError("the account has no default VPC; give vpcId")
    return str(found[0]["VpcId"])


def _rules(aws: Aws, id_: str) -> list[Any]:
    filters = [{"Name": "group-id", "Values": [id_]}]
    found = aws.client("ec2").describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
    return sorted(found, key=lambda rule: str(rule["SecurityGroupRuleId"]))


def _shown(rule: Any) -> Properties:
    """A rule that somebody added, as the inputs would say it."""
    source = rule.get("ReferencedGroupInfo", {}).get("GroupId")
    present = {
        "protocol": rule["IpProtocol"],
        "fromPort": max(0, rule.get("FromPort", 0)),
        "toPort": max(0, rule.get("ToPort", 0)),
        "cidrBlocks": [rule["CidrIpv4"]] if "CidrIpv4" in rule else None,
        "ipv6CidrBlocks": [rule["CidrIpv6"]] if "CidrIpv6" in rule else None,
        "self": source == rule["GroupId"],
        "securityGroups": [source] if source and source != rule["GroupId"] else None,
    }
    return {key: value for key, value in present.items() if value is not None}
