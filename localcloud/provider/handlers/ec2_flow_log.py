"""Flow logs of a VPC."""

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

_PLAIN = ("trafficType", "logDestinationType", "logDestination", "maxAggregationInterval")


class FlowLog(Ec2Resource):
    """Kept by AWS, never written here: no packet passes this cloud's network."""

    token = "aws:ec2/flowLog:FlowLog"
    inputs = names("vpcId iamRoleArn") | frozenset(_PLAIN) | TAG_INPUTS
    outputs = names("arn logFormat") | inputs | TAG_OUTPUTS
    replaced_by = names("vpcId iamRoleArn") | frozenset(_PLAIN)

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = chosen(inputs, _PLAIN)
        if "iamRoleArn" in inputs:
            given["DeliverLogsPermissionArn"] = inputs["iamRoleArn"]
        if "vpcId" not in inputs:
            raise ProviderError("a flow log without vpcId: of subnets and interfaces there are none here; give vpcId")
        reply = aws.client("ec2").create_flow_logs(
            ResourceIds=[inputs["vpcId"]],
            ResourceType="VPC",
            TagSpecifications=specification("vpc-flow-log", inputs),
            **given,
        )
        if failed := reply.get("Unsuccessful"):
            raise ProviderError(f"flow log of {inputs['vpcId']}: {failed[0]['Error']['Message']}")
        return str(reply["FlowLogIds"][0])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        found = self._describe(aws, id_)
        present = {
            "arn": arn(aws, aws.account(), "vpc-flow-log", id_),
            "vpcId": found["ResourceId"],
            "trafficType": found.get("TrafficType"),
            "logDestinationType": found["LogDestinationType"],
            "logDestination": found.get("LogDestination"),
            "logFormat": found.get("LogFormat"),
            "maxAggregationInterval": found["MaxAggregationInterval"],
            "iamRoleArn": found.get("DeliverLogsPermissionArn"),
            **tag_outputs(as_mapping(found.get("Tags", [])), aws),
        }
        return {key: value for key, value in present.items() if value is not None}

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        self._describe(aws, id_)
        aws.client("ec2").delete_flow_logs(FlowLogIds=[id_])

    @staticmethod
    def _describe(aws: Aws, id_: str) -> Any:
        if not (found := aws.client("ec2").describe_flow_logs(FlowLogIds=[id_])["FlowLogs"]):
            raise GoneError(id_)
        return found[0]
