"""VPC endpoints: gateways for route tables, or interfaces in subnets."""

from typing import Any

from localcloud.provider.errors import GoneError, ProviderError
from localcloud.provider.handlers.ec2_tags import (
    TAG_INPUTS,
    TAG_OUTPUTS,
    Ec2Resource,
    arn,
    as_mapping,
    specification,
    tag_outputs,
)
from localcloud.provider.resource import Aws, chosen, names
from localcloud.provider.values import Properties

_PLAIN = ("vpcId", "serviceName", "vpcEndpointType", "routeTableIds", "subnetIds", "securityGroupIds")
GATEWAY, INTERFACE = "Gateway", "Interface"
# Pulumi's name of a set -> what the API's Add… and Remove… call it
_SETS = {"routeTableIds": "RouteTableIds", "subnetIds": "SubnetIds", "securityGroupIds": "SecurityGroupIds"}


class VpcEndpoint(Ec2Resource):
    token = "aws:ec2/vpcEndpoint:VpcEndpoint"
    inputs = names("vpcId serviceName vpcEndpointType policy privateDnsEnabled") | frozenset(_SETS) | TAG_INPUTS
    outputs = inputs | names("arn state ownerId networkInterfaceIds dnsEntries") | TAG_OUTPUTS
    replaced_by = names("vpcId serviceName vpcEndpointType")
    changing = names("networkInterfaceIds")
    unordered = frozenset(_SETS)
    json_inputs = names("policy")

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = chosen({"vpcEndpointType": GATEWAY, **inputs}, _PLAIN)
        if given["VpcEndpointType"] == INTERFACE:
            given["PrivateDnsEnabled"] = _private_dns(inputs)
        if "policy" in inputs:
            given["PolicyDocument"] = inputs["policy"]
        tags = specification("vpc-endpoint", inputs)
        reply = aws.client("ec2").create_vpc_endpoint(TagSpecifications=tags, **given)
        return str(reply["VpcEndpoint"]["VpcEndpointId"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        endpoint = self._describe(aws, id_)
        owner = endpoint.get("OwnerId", "") or aws.account()
        entries = endpoint.get("DnsEntries", [])
        return {
            "arn": arn(aws, owner, "vpc-endpoint", id_),
            "ownerId": owner,
            "policy": endpoint.get("PolicyDocument", ""),
            **{name: sorted(_present(endpoint, name)) for name in _SETS},
            "networkInterfaceIds": sorted(endpoint.get("NetworkInterfaceIds", [])),
            "dnsEntries": [
                {"dnsName": each["DnsName"], "hostedZoneId": each.get("HostedZoneId", "")} for each in entries
            ],
            "privateDnsEnabled": endpoint["VpcEndpointType"] == INTERFACE and bool(endpoint.get("PrivateDnsEnabled")),
            "serviceName": endpoint["ServiceName"],
            "state": endpoint["State"],
            "vpcEndpointType": endpoint["VpcEndpointType"],
            "vpcId": endpoint["VpcId"],
            **tag_outputs(as_mapping(endpoint.get("Tags", [])), aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        endpoint, changes = self._describe(aws, id_), dict[str, Any]()
        for name, theirs in _SETS.items():
            if name not in inputs and name not in known:
                continue
            present, wanted = set(_present(endpoint, name)), set(inputs.get(name, []))
            changes |= {f"Add{theirs}": sorted(wanted - present), f"Remove{theirs}": sorted(present - wanted)}
        if "policy" in inputs and not self.same("policy", inputs["policy"], known.get("policy")):
            changes["PolicyDocument"] = inputs["policy"]
        if endpoint["VpcEndpointType"] == INTERFACE and _private_dns(inputs) != endpoint.get("PrivateDnsEnabled"):
            changes["PrivateDnsEnabled"] = _private_dns(inputs)
        if given := {key: value for key, value in changes.items() if value != []}:
            aws.client("ec2").modify_vpc_endpoint(VpcEndpointId=id_, **given)
        super().update(aws, id_, inputs, known)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        self._describe(aws, id_)  # AWS lists what is deleted for a while
        failed = aws.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[id_]).get("Unsuccessful", [])
        if failed and not failed[0]["Error"]["Code"].endswith("NotFound"):
            raise ProviderError(f"VPC endpoint {id_} cannot be deleted: {failed[0]['Error']}")

    @staticmethod
    def _describe(aws: Aws, id_: str) -> Any:
        found = aws.client("ec2").describe_vpc_endpoints(VpcEndpointIds=[id_])["VpcEndpoints"]
        if not found or found[0]["State"].lower() in ("deleted", "deleting"):
            raise GoneError(id_)
        return found[0]


def _present(endpoint: Any, name: str) -> list[str]:
    if name == "securityGroupIds":
        return [each["GroupId"] for each in endpoint.get("Groups", [])]
    return list(endpoint.get(_SETS[name], []))


def _private_dns(inputs: Properties) -> bool:
    """Off unless asked for, as in Pulumi's provider; the API's own default is on."""
    return bool(inputs.get("privateDnsEnabled", False))
