"""Elastic IP and NAT gateway."""

from typing import Any

from localcloud.provider.errors import GoneError, ProviderError
from localcloud.provider.handlers.ec2_tags import (
    TAG_INPUTS,
    TAG_OUTPUTS,
    Ec2Resource,
    as_mapping,
    specification,
    tag_outputs,
)
from localcloud.provider.resource import Aws, chosen, names
from localcloud.provider.values import Properties


class Eip(Ec2Resource):
    token = "aws:ec2/eip:Eip"
    inputs = names("domain") | TAG_INPUTS
    outputs = names("allocationId arn domain publicDns publicIp") | TAG_OUTPUTS
    replaced_by = names("domain")

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = specification("elastic-ip", inputs)
        reply = aws.client("ec2").allocate_address(Domain=inputs.get("domain", "vpc"), TagSpecifications=given)
        return str(reply["AllocationId"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        address = aws.client("ec2").describe_addresses(AllocationIds=[id_])["Addresses"][0]
        place = "compute-1" if aws.region == "us-east-1" else f"{aws.region}.compute"
        return {
            "allocationId": id_,
            "arn": f"arn:aws:ec2:{aws.region}:{aws.account()}:elastic-ip/{id_}",
            "domain": address["Domain"],
            "publicDns": f"ec2-{address['PublicIp'].replace('.', '-')}.{place}.amazonaws.com",
            "publicIp": address["PublicIp"],
            **tag_outputs(as_mapping(address.get("Tags", [])), aws),
        }

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("ec2").release_address(AllocationId=id_)


class NatGateway(Ec2Resource):
    token = "aws:ec2/natGateway:NatGateway"
    inputs = names("allocationId connectivityType subnetId") | TAG_INPUTS
    outputs = names("allocationId connectivityType networkInterfaceId privateIp publicIp subnetId vpcId") | TAG_OUTPUTS
    replaced_by = names("allocationId connectivityType subnetId")

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = chosen(inputs, ("allocationId", "connectivityType", "subnetId"))
        reply = aws.client("ec2").create_nat_gateway(TagSpecifications=specification("natgateway", inputs), **given)
        return str(reply["NatGateway"]["NatGatewayId"])

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        aws.waiting.until(lambda: self._available(aws, id_), 600, f"NAT gateway {id_} available")

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        gateway = self._describe(aws, id_)
        if gateway["State"] in ("deleting", "deleted"):
            raise GoneError(id_)
        address = gateway["NatGatewayAddresses"][0]
        return {
            "allocationId": address.get("AllocationId", ""),
            "connectivityType": gateway.get("ConnectivityType") or known.get("connectivityType", "public"),
            "networkInterfaceId": address.get("NetworkInterfaceId", ""),
            "privateIp": address.get("PrivateIp", ""),
            "publicIp": address.get("PublicIp", ""),
            "subnetId": gateway["SubnetId"],
            "vpcId": gateway["VpcId"],
            **tag_outputs(as_mapping(gateway.get("Tags", [])), aws),
        }

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("ec2").delete_nat_gateway(NatGatewayId=id_)
        aws.waiting.until(lambda: self._deleted(aws, id_), 600, f"deletion of NAT gateway {id_}")

    def _available(self, aws: Aws, id_: str) -> bool:
        gateway = self._describe(aws, id_)
        if gateway["State"] == "failed":
            raise ProviderError(f"NAT gateway {id_} failed: {gateway.get('FailureMessage', 'AWS says no more')}")
        return bool(gateway["State"] == "available")

    def _deleted(self, aws: Aws, id_: str) -> bool:
        try:
            return bool(self._describe(aws, id_)["State"] == "deleted")
        except GoneError:
            return True

    @staticmethod
    def _describe(aws: Aws, id_: str) -> Any:
        found = aws.client("ec2").describe_nat_gateways(NatGatewayIds=[id_])["NatGateways"]
        if not found:
            raise GoneError(id_)
        return found[0]
