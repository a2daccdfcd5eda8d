"""SSM parameters."""

from collections.abc import Callable
from typing import Any

from localcloud.provider.handlers.ec2_tags import TAG_INPUTS, TAG_OUTPUTS, as_mapping, key_values, tag_outputs
from localcloud.provider.resource import AutoName, Aws, Handler, names
from localcloud.provider.values import Properties

KIND = "Parameter"  # as the tagging calls name it
_SECURE = "SecureString"
_WRITTEN = names("type value insecureValue valueWoVersion keyId description tier")  # what PutParameter is for


class Parameter(Handler):
    """A value given as `valueWo` is written when the parameter is made and when `valueWoVersion` changes.

    It is never read into a state, and what is written elsewhere later stays.
    https://www.pulumi.com/docs/iac/concepts/secrets/write-only-fields
    """

    token = "aws:ssm/parameter:Parameter"
    inputs = names("name type value valueWo valueWoVersion insecureValue keyId description tier") | TAG_INPUTS
    outputs = names("arn name type value insecureValue hasValueWo keyId description tier version") | TAG_OUTPUTS
    replaced_by = names("name")
    write_only = names("valueWo")
    changing = names("version")
    auto_name = AutoName(longest=2048)

    def create(self, aws: Aws, inputs: Properties) -> str:
        tags = key_values(inputs.get("tags", {}))
        aws.client("ssm").put_parameter(Tags=tags, **_given(inputs, lambda: str(inputs["valueWo"])))
        return str(inputs["name"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        ssm = aws.client("ssm")
        shown = [name for name in ("value", "insecureValue") if name in known] or ([] if known else ["value"])
        found = ssm.get_parameter(Name=id_, WithDecryption=bool(shown))["Parameter"]
        filters = [{"Key": "Name", "Values": [id_]}]
        described = ssm.describe_parameters(ParameterFilters=filters)["Parameters"][0]
        tags = as_mapping(ssm.list_tags_for_resource(ResourceType=KIND, ResourceId=id_)["TagList"])
        return {
            "arn": found["ARN"],
            "name": id_,
            "type": found["Type"],
            "version": found["Version"],
            "hasValueWo": "valueWoVersion" in known,
            "tier": described.get("Tier", "Standard"),
            **dict.fromkeys(shown, found["Value"]),
            # SSM names a key of its own where none is given.
            **({"keyId": described.get("KeyId")} if "keyId" in known else {}),
            **({"description": described["Description"]} if described.get("Description") else {}),
            **tag_outputs(tags, aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        ssm = aws.client("ssm")
        given_before = known.keys() - {"tier"}  # SSM's own choice where the program makes none
        if any(inputs.get(name) != known.get(name) for name in _WRITTEN if name in inputs or name in given_before):
            ssm.put_parameter(Overwrite=True, **_given(inputs, lambda: _secret(ssm, id_, inputs, known)))
        present = as_mapping(ssm.list_tags_for_resource(ResourceType=KIND, ResourceId=id_)["TagList"])
        if gone := [key for key in present if key not in inputs.get("tags", {})]:
            ssm.remove_tags_from_resource(ResourceType=KIND, ResourceId=id_, TagKeys=gone)
        if tags := inputs.get("tags"):
            ssm.add_tags_to_resource(ResourceType=KIND, ResourceId=id_, Tags=key_values(tags))

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("ssm").delete_parameter(Name=id_)


def _secret(ssm: Any, name: str, inputs: Properties, known: Properties) -> str:
    """The write-only value: the program's if its version is new, else the one that is there, whoever wrote it."""
    if inputs.get("valueWoVersion") == known.get("valueWoVersion"):
        return str(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
    return str(inputs["valueWo"])


def _given(inputs: Properties, secret: Callable[[], str]) -> Properties:
    plain = inputs.get("value", inputs.get("insecureValue"))
    return {
        "Name": inputs["name"],
        "Type": inputs["type"],
        "Value": secret() if plain is None else plain,
        "Description": inputs.get("description", ""),
        **({"KeyId": inputs["keyId"]} if "keyId" in inputs and inputs["type"] == _SECURE else {}),
        **({"Tier": inputs["tier"]} if "tier" in inputs else {}),
    }
