"""VPC endpoint."""

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

_PLAIN = ("vpcId", "serviceName", "vpcEndpointType", "routeTableIds")
GATEWAY = "Gateway"  # what AWS makes of an endpoint whose type is not given


class VpcEndpoint(Ec2Resource):
    token = "aws:ec2/vpcEndpoint:VpcEndpoint"
    inputs = names("vpcId serviceName vpcEndpointType routeTableIds policy") | TAG_INPUTS
    outputs = names("arn policy routeTableIds serviceName state vpcEndpointType vpcId ownerId") | TAG_OUTPUTS
    replaced_by = names("vpcId serviceName vpcEndpointType")
    unordered = names("routeTableIds")
    json_inputs = names("policy")

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = chosen({"vpcEndpointType": GATEWAY, **inputs}, _PLAIN)
        if "policy" in inputs:
            given["PolicyDocument"] = inputs["policy"]
        tags = specification("vpc-endpoint", inputs)
        reply = aws.client("ec2").create_vpc_endpoint(TagSpecifications=tags, **given)
        return str(reply["VpcEndpoint"]["VpcEndpointId"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        endpoint = self._describe(aws, id_)
        return {
            "arn": arn(aws, endpoint.get("OwnerId", "") or aws.account(), "vpc-endpoint", id_),
            "ownerId": endpoint.get("OwnerId", "") or aws.account(),
            "policy": endpoint.get("PolicyDocument", ""),
            "routeTableIds": sorted(endpoint.get("RouteTableIds", [])),
            "serviceName": endpoint["ServiceName"],
            "state": endpoint["State"],
            "vpcEndpointType": endpoint["VpcEndpointType"],
            "vpcId": endpoint["VpcId"],
            **tag_outputs(as_mapping(endpoint.get("Tags", [])), aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        present = set(self._describe(aws, id_).get("RouteTableIds", []))
        wanted = set(inputs.get("routeTableIds", []))
        changes: dict[str, Any] = {}
        if added := sorted(wanted - present):
            changes["AddRouteTableIds"] = added
        if removed := sorted(present - wanted):
            changes["RemoveRouteTableIds"] = removed
        if "policy" in inputs and not self.same("policy", inputs["policy"], known.get("policy")):
            changes["PolicyDocument"] = inputs["policy"]
        if changes:
            aws.client("ec2").modify_vpc_endpoint(VpcEndpointId=id_, **changes)
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
