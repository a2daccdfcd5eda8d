"""KMS keys and their aliases."""

from typing import Any

from localcloud.provider.errors import GoneError, ProviderError
from localcloud.provider.handlers.ec2_tags import TAG_INPUTS, TAG_OUTPUTS, tag_outputs
from localcloud.provider.resource import Aws, Handler, names
from localcloud.provider.values import Properties

LONGEST_WINDOW_DAYS = 30  # also what KMS takes when none is given: ScheduleKeyDeletion in the API reference


class Key(Handler):
    token = "aws:kms/key:Key"
    inputs = names("description policy enableKeyRotation rotationPeriodInDays deletionWindowInDays") | TAG_INPUTS
    outputs = names("arn keyId description policy enableKeyRotation rotationPeriodInDays") | TAG_OUTPUTS
    json_inputs = names("policy")

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = {"Policy": inputs["policy"]} if "policy" in inputs else {}
        tags = _tags(inputs.get("tags", {}))
        reply = aws.client("kms").create_key(Description=inputs.get("description", ""), Tags=tags, **given)
        return str(reply["KeyMetadata"]["KeyId"])

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        kms = aws.client("kms")
        if inputs.get("enableKeyRotation"):
            days = inputs.get("rotationPeriodInDays")
            period = {"RotationPeriodInDays": days} if days else {}
            kms.enable_key_rotation(KeyId=id_, **period)
        else:
            kms.disable_key_rotation(KeyId=id_)

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        kms = aws.client("kms")
        key = kms.describe_key(KeyId=id_)["KeyMetadata"]
        if key["KeyState"] == "PendingDeletion":
            raise GoneError(id_)
        tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=id_).get("Tags", [])}
        rotation = kms.get_key_rotation_status(KeyId=id_)
        period = rotation.get("RotationPeriodInDays")
        return {
            "arn": key["Arn"],
            "keyId": key["KeyId"],
            "description": key.get("Description", ""),
            "policy": kms.get_key_policy(KeyId=id_, PolicyName="default")["Policy"],
            "enableKeyRotation": rotation["KeyRotationEnabled"],
            **({"rotationPeriodInDays": period} if period else {}),
            **tag_outputs(tags, aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        kms = aws.client("kms")
        kms.update_key_description(KeyId=id_, Description=inputs.get("description", ""))
        if "policy" in inputs:
            kms.put_key_policy(KeyId=id_, PolicyName="default", Policy=inputs["policy"])
        self.complete(aws, id_, inputs)
        present = [tag["TagKey"] for tag in kms.list_resource_tags(KeyId=id_).get("Tags", [])]
        if gone := [key for key in present if key not in inputs.get("tags", {})]:
            kms.untag_resource(KeyId=id_, TagKeys=gone)
        if tags := _tags(inputs.get("tags", {})):
            kms.tag_resource(KeyId=id_, Tags=tags)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        self.read(aws, id_, known)  # KMS refuses to schedule twice
        days = known.get("deletionWindowInDays", LONGEST_WINDOW_DAYS)
        aws.client("kms").schedule_key_deletion(KeyId=id_, PendingWindowInDays=days)


class Alias(Handler):
    token = "aws:kms/alias:Alias"
    inputs = names("name targetKeyId")
    outputs = inputs | names("arn targetKeyArn region")
    replaced_by = names("name")

    def create(self, aws: Aws, inputs: Properties) -> str:
        name = str(inputs.get("name", ""))
        if not name.startswith("alias/"):
            raise ProviderError(f"name: {name!r} does not begin with alias/, as KMS asks; give one like alias/fleet")
        aws.client("kms").create_alias(AliasName=name, TargetKeyId=inputs["targetKeyId"])
        return name

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        kms = aws.client("kms")
        for page in kms.get_paginator("list_aliases").paginate():
            for each in page["Aliases"]:
                if each["AliasName"] == id_:
                    key = kms.describe_key(KeyId=each["TargetKeyId"])["KeyMetadata"]
                    found = {"targetKeyId": key["KeyId"], "targetKeyArn": key["Arn"]}
                    return {"name": id_, "arn": each["AliasArn"], "region": aws.region, **found}
        raise GoneError(id_)

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        aws.client("kms").update_alias(AliasName=id_, TargetKeyId=inputs["targetKeyId"])

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("kms").delete_alias(AliasName=id_)

    def _meaning(self, name: str, value: Any) -> Any:
        """A key can be named by its id or by its ARN, which ends with it."""
        return str(value).rpartition("/")[2] if name == "targetKeyId" else super()._meaning(name, value)


def _tags(tags: Properties) -> list[dict[str, Any]]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]
