"""Route table, route and the association of a route table with a subnet."""

import zlib
from typing import Any

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
from localcloud.provider.resource import Aws, Handler, chosen, names
from localcloud.provider.values import Properties


class RouteTable(Ec2Resource):
    """Without routes of its own: those are resources, as the program writes them."""

    token = "aws:ec2/routeTable:RouteTable"
    inputs = names("vpcId") | TAG_INPUTS
    outputs = names("arn ownerId vpcId") | TAG_OUTPUTS
    replaced_by = names("vpcId")

    def create(self, aws: Aws, inputs: Properties) -> str:
        tags = specification("route-table", inputs)
        reply = aws.client("ec2").create_route_table(VpcId=inputs["vpcId"], TagSpecifications=tags)
        return str(reply["RouteTable"]["RouteTableId"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        table = aws.client("ec2").describe_route_tables(RouteTableIds=[id_])["RouteTables"][0]
        return {
            "arn": arn(aws, table["OwnerId"], "route-table", id_),
            "ownerId": table["OwnerId"],
            "vpcId": table["VpcId"],
            **tag_outputs(as_mapping(table.get("Tags", [])), aws),
        }

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("ec2").delete_route_table(RouteTableId=id_)


class Route(Handler):
    token = "aws:ec2/route:Route"
    inputs = names("routeTableId destinationCidrBlock gatewayId natGatewayId")
    outputs = names("routeTableId destinationCidrBlock gatewayId natGatewayId origin state region")
    replaced_by = names("routeTableId destinationCidrBlock")

    def create(self, aws: Aws, inputs: Properties) -> str:
        table, destination = inputs["routeTableId"], inputs["destinationCidrBlock"]
        aws.client("ec2").create_route(
            RouteTableId=table, DestinationCidrBlock=destination, **chosen(inputs, ("gatewayId", "natGatewayId"))
        )
        # The id of Terraform's provider, which Pulumi's is made from: "r-", the table, CRC-32 of the destination.
        return f"r-{table}{zlib.crc32(destination.encode())}"

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        table, destination = self._key(id_, known)
        reply = aws.client("ec2").describe_route_tables(RouteTableIds=[table])
        for route in reply["RouteTables"][0]["Routes"]:
            if route.get("DestinationCidrBlock") == destination:
                return {
                    "routeTableId": table,
                    "destinationCidrBlock": destination,
                    "gatewayId": route.get("GatewayId", ""),
                    "natGatewayId": route.get("NatGatewayId", ""),
                    "origin": route.get("Origin", "CreateRoute"),
                    "state": route.get("State", "active"),
                    "region": aws.region,
                }
        raise GoneError(id_)

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        table, destination = self._key(id_, known)
        target = chosen(inputs, ("gatewayId", "natGatewayId"))
        aws.client("ec2").replace_route(RouteTableId=table, DestinationCidrBlock=destination, **target)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        table, destination = self._key(id_, known)
        aws.client("ec2").delete_route(RouteTableId=table, DestinationCidrBlock=destination)

    @staticmethod
    def _key(id_: str, known: Properties) -> tuple[str, str]:
        if not known:  # an import: the id is TABLE_DESTINATION
            table, _, destination = id_.partition("_")
            return table, destination
        return known["routeTableId"], known["destinationCidrBlock"]


class RouteTableAssociation(Handler):
    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    inputs = names("subnetId routeTableId")
    outputs = names("subnetId routeTableId region")
    # Another table would get another association id, which Pulumi's protocol has no place for in an update.
    replaced_by = names("subnetId routeTableId")
    replace_in_place = True

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = chosen(inputs, ("subnetId", "routeTableId"))
        return str(aws.client("ec2").associate_route_table(**given)["AssociationId"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        filters = [{"Name": "association.route-table-association-id", "Values": [id_]}]
        found: list[Any] = aws.client("ec2").describe_route_tables(Filters=filters)["RouteTables"]
        for each in (each for table in found for each in table["Associations"]):
            if each["RouteTableAssociationId"] == id_:
                return {"subnetId": each["SubnetId"], "routeTableId": each["RouteTableId"], "region": aws.region}
        raise GoneError(id_)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("ec2").disassociate_route_table(AssociationId=id_)
