"""Launch templates. Every update is a new version; groups choose among them."""

from typing import Any

from localcloud.provider.errors import GoneError
from localcloud.provider.handlers.ec2_tags import (
    TAG_INPUTS,
    TAG_OUTPUTS,
    Ec2Resource,
    as_mapping,
    key_values,
    specification,
    tag_outputs,
)
from localcloud.provider.resource import AutoName, Aws, camel, names, pascal
from localcloud.provider.values import Properties

# Inputs of the template's data that are named alike in AWS and in Pulumi.
_DATA = names(
    "imageId instanceType userData iamInstanceProfile metadataOptions blockDeviceMappings monitoring ebsOptimized "
    "instanceInitiatedShutdownBehavior keyName networkInterfaces"
)
_RENAMED = {"securityGroups": "Groups"}  # of a network interface
# Three-valued booleans: strings in Pulumi, so that "not given" can be told from "false".
_TEXT_BOOLEANS = ("ebsOptimized", "encrypted", "deleteOnTermination", "associatePublicIpAddress")


class LaunchTemplate(Ec2Resource):
    token = "aws:ec2/launchTemplate:LaunchTemplate"
    inputs = (
        names("name description updateDefaultVersion imageId instanceType userData vpcSecurityGroupIds keyName")
        | names("iamInstanceProfile.arn iamInstanceProfile.name ebsOptimized monitoring.enabled")
        | names("metadataOptions.httpEndpoint metadataOptions.httpTokens metadataOptions.httpPutResponseHopLimit")
        | names("metadataOptions.instanceMetadataTags metadataOptions.httpProtocolIpv6")
        | names("blockDeviceMappings.deviceName blockDeviceMappings.ebs.volumeSize blockDeviceMappings.ebs.volumeType")
        | names("blockDeviceMappings.ebs.encrypted blockDeviceMappings.ebs.deleteOnTermination")
        | names("blockDeviceMappings.ebs.iops blockDeviceMappings.ebs.throughput blockDeviceMappings.ebs.kmsKeyId")
        | names("networkInterfaces.associatePublicIpAddress networkInterfaces.securityGroups")
        | names("networkInterfaces.deviceIndex networkInterfaces.deleteOnTermination")
        | names("tagSpecifications.resourceType tagSpecifications.tags instanceInitiatedShutdownBehavior")
        | TAG_INPUTS
    )
    outputs = (
        names("arn name description latestVersion defaultVersion vpcSecurityGroupIds tagSpecifications")
        | _DATA
        | TAG_OUTPUTS
    )
    changing = names("latestVersion defaultVersion")
    replaced_by = names("name")
    auto_name = AutoName(longest=128)
    unordered = names("vpcSecurityGroupIds tagSpecifications blockDeviceMappings")

    def create(self, aws: Aws, inputs: Properties) -> str:
        reply = aws.client("ec2").create_launch_template(
            LaunchTemplateName=inputs["name"],
            VersionDescription=inputs.get("description", ""),
            LaunchTemplateData=_data(inputs),
            TagSpecifications=specification("launch-template", inputs),
        )
        return str(reply["LaunchTemplate"]["LaunchTemplateId"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        ec2 = aws.client("ec2")
        found = ec2.describe_launch_templates(LaunchTemplateIds=[id_])["LaunchTemplates"]
        if not found:  # AWS would say so with an error
            raise GoneError(id_)
        template = found[0]
        reply = ec2.describe_launch_template_versions(LaunchTemplateId=id_, Versions=["$Latest"])
        version = reply["LaunchTemplateVersions"][0]
        data = version["LaunchTemplateData"]
        return {
            "arn": f"arn:aws:ec2:{aws.region}:{aws.account()}:launch-template/{id_}",
            "name": template["LaunchTemplateName"],
            "latestVersion": template["LatestVersionNumber"],
            "defaultVersion": template["DefaultVersionNumber"],
            **({"description": version["VersionDescription"]} if version.get("VersionDescription") else {}),
            **_inputs_of(data),
            **tag_outputs(as_mapping(template.get("Tags", [])), aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        ec2, wanted = aws.client("ec2"), _data(inputs)
        reply = ec2.describe_launch_template_versions(LaunchTemplateId=id_, Versions=["$Latest"])
        latest = reply["LaunchTemplateVersions"][0]
        description = inputs.get("description", "")
        if (
            _inputs_of(latest["LaunchTemplateData"]) != _inputs_of(wanted)
            or latest.get("VersionDescription", "") != description
        ):
            reply = ec2.create_launch_template_version(
                LaunchTemplateId=id_, VersionDescription=description, LaunchTemplateData=wanted
            )
            latest = reply["LaunchTemplateVersion"]
        if inputs.get("updateDefaultVersion"):
            ec2.modify_launch_template(LaunchTemplateId=id_, DefaultVersion=str(latest["VersionNumber"]))
        self.set_tags(aws, id_, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("ec2").delete_launch_template(LaunchTemplateId=id_)


def _data(inputs: Properties) -> dict[str, Any]:
    """LaunchTemplateData of the inputs."""
    data: dict[str, Any] = pascal(_booleans({key: inputs[key] for key in sorted(_DATA) if key in inputs}), _RENAMED)
    if "vpcSecurityGroupIds" in inputs:
        data["SecurityGroupIds"] = inputs["vpcSecurityGroupIds"]
    if "tagSpecifications" in inputs:
        data["TagSpecifications"] = [
            {"ResourceType": each["resourceType"], "Tags": key_values(each.get("tags", {}))}
            for each in inputs["tagSpecifications"]
        ]
    return data


def _inputs_of(data: dict[str, Any]) -> Properties:
    """The way back from `_data`, in one order."""
    given: Properties = _texts(camel({key: value for key, value in data.items() if _camel(key) in _DATA}, _RENAMED))
    if data.get("SecurityGroupIds"):
        given["vpcSecurityGroupIds"] = sorted(data["SecurityGroupIds"])
    specifications = [
        {"resourceType": each["ResourceType"], "tags": as_mapping(each.get("Tags", []))}
        for each in data.get("TagSpecifications", [])
        if each["ResourceType"] != "launch-template"  # the template's own tags, which moto puts here too
    ]
    if specifications:
        given["tagSpecifications"] = specifications
    return given


def _camel(key: str) -> str:
    return key[:1].lower() + key[1:]


def _booleans(value: Any) -> Any:
    """Text booleans, at any depth, as AWS takes them."""
    if isinstance(value, dict):
        return {
            k: v == "true" if k in _TEXT_BOOLEANS and isinstance(v, str) else _booleans(v) for k, v in value.items()
        }
    return [_booleans(each) for each in value] if isinstance(value, list) else value


def _texts(value: Any) -> Any:
    """The way back from `_booleans`."""
    if isinstance(value, dict):
        return {k: str(v).lower() if k in _TEXT_BOOLEANS else _texts(v) for k, v in value.items()}
    return [_texts(each) for each in value] if isinstance(value, list) else value
