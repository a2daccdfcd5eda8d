"""Security groups and their rules."""

from typing import Any, ClassVar

from localcloud.provider.errors import GoneError
from localcloud.provider.handlers.ec2_tags import (
    TAG_INPUTS,
    TAG_OUTPUTS,
    Ec2Resource,
    arn,
    as_mapping,
    specification,
    tag_outputs,
)
from localcloud.provider.resource import AutoName, Aws, chosen, names
from localcloud.provider.values import Properties


class SecurityGroup(Ec2Resource):
    """Without rules of its own: those are resources, as the program writes them."""

    token = "aws:ec2/securityGroup:SecurityGroup"
    inputs = names("name description vpcId") | TAG_INPUTS
    outputs = names("arn name description ownerId vpcId") | TAG_OUTPUTS
    replaced_by = names("name description vpcId")
    auto_name = AutoName()

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = {"Description": inputs.get("description", "Managed by Pulumi"), "GroupName": inputs["name"]}
        tags = specification("security-group", inputs)
        given |= chosen(inputs, ("vpcId",))
        return str(aws.client("ec2").create_security_group(TagSpecifications=tags, **given)["GroupId"])

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        # AWS allows every way out in a new group. Pulumi's provider takes that away: rules are what the program says.
        filters = [{"Name": "group-id", "Values": [id_]}]
        rules = aws.client("ec2").describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
        if out := [rule["SecurityGroupRuleId"] for rule in rules if rule["IsEgress"]]:
            aws.client("ec2").revoke_security_group_egress(GroupId=id_, SecurityGroupRuleIds=out)

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        group = aws.client("ec2").describe_security_groups(GroupIds=[id_])["SecurityGroups"][0]
        return {
            "arn": arn(aws, group["OwnerId"], "security-group", id_),
            "name": group["GroupName"],
            "description": group["Description"],
            "ownerId": group["OwnerId"],
            "vpcId": group["VpcId"],
            **tag_outputs(as_mapping(group.get("Tags", [])), aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        if "arn" not in known:  # its creation was not finished; later the rules are other resources'
            self.complete(aws, id_, inputs)
        self.set_tags(aws, id_, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("ec2").delete_security_group(GroupId=id_)


class _Rule(Ec2Resource):
    inputs = (
        names("securityGroupId ipProtocol fromPort toPort cidrIpv4 cidrIpv6 description referencedSecurityGroupId")
        | TAG_INPUTS
    )
    outputs = (
        names("arn securityGroupId securityGroupRuleId ipProtocol fromPort toPort cidrIpv4 cidrIpv6 description")
        | names("referencedSecurityGroupId")
        | TAG_OUTPUTS
    )
    # AWS can change all but the group in place; moto's ModifySecurityGroupRules keeps too little of it.
    replaced_by = names(
        "securityGroupId ipProtocol fromPort toPort cidrIpv4 cidrIpv6 referencedSecurityGroupId description"
    )
    replace_in_place = True
    direction: ClassVar[str]

    def create(self, aws: Aws, inputs: Properties) -> str:
        authorize = getattr(aws.client("ec2"), f"authorize_security_group_{self.direction}")
        tags = specification("security-group-rule", inputs)
        reply = authorize(
            GroupId=inputs["securityGroupId"], IpPermissions=[_permission(inputs)], TagSpecifications=tags
        )
        return str(reply["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        found = aws.client("ec2").describe_security_group_rules(SecurityGroupRuleIds=[id_])["SecurityGroupRules"]
        if not found:
            raise GoneError(id_)
        rule = found[0]
        present = {
            "arn": arn(aws, rule.get("GroupOwnerId") or aws.account(), "security-group-rule", id_),
            "securityGroupId": rule["GroupId"],
            "securityGroupRuleId": id_,
            "ipProtocol": rule["IpProtocol"],
            "cidrIpv4": rule.get("CidrIpv4"),
            "cidrIpv6": rule.get("CidrIpv6"),
            "description": rule.get("Description"),
            "referencedSecurityGroupId": rule.get("ReferencedGroupInfo", {}).get("GroupId"),
            **tag_outputs(as_mapping(rule.get("Tags", [])), aws),
        }
        if rule["IpProtocol"] != "-1":
            present |= {"fromPort": rule.get("FromPort"), "toPort": rule.get("ToPort")}
        return {key: value for key, value in present.items() if value is not None}

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        revoke = getattr(aws.client("ec2"), f"revoke_security_group_{self.direction}")
        revoke(GroupId=known["securityGroupId"], SecurityGroupRuleIds=[id_])


class SecurityGroupIngressRule(_Rule):
    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    direction = "ingress"


class SecurityGroupEgressRule(_Rule):
    token = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    direction = "egress"


def _permission(inputs: Properties) -> dict[str, Any]:
    described = chosen(inputs, ("description",))
    permission: dict[str, Any] = chosen(inputs, ("ipProtocol", "fromPort", "toPort"))
    if "cidrIpv4" in inputs:
        permission["IpRanges"] = [{"CidrIp": inputs["cidrIpv4"], **described}]
    if "cidrIpv6" in inputs:
        permission["Ipv6Ranges"] = [{"CidrIpv6": inputs["cidrIpv6"], **described}]
    if "referencedSecurityGroupId" in inputs:
        permission["UserIdGroupPairs"] = [{"GroupId": inputs["referencedSecurityGroupId"], **described}]
    return permission
