"""Tags of EC2 resources."""

from collections.abc import Iterable, Mapping
from typing import Any

from localcloud.provider.resource import Aws, Handler, names
from localcloud.provider.values import Properties

TAG_INPUTS = names("tags")
TAG_OUTPUTS = names("tags tagsAll region")


def key_values(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as most AWS calls take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def as_mapping(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Tags as most AWS calls return them; those that AWS itself sets (`aws:…`) are no one's to manage."""
    return {tag["Key"]: tag["Value"] for tag in tags if not tag["Key"].startswith("aws:")}


def tag_outputs(tags: Mapping[str, str], aws: Aws) -> Properties:
    """The outputs that every taggable regional resource has; no tags and empty tags are the same."""
    return {"tagsAll": dict(tags), "region": aws.region, **({"tags": dict(tags)} if tags else {})}


def specification(kind: str, inputs: Properties) -> list[dict[str, Any]]:
    """TagSpecifications of a create call."""
    return [{"ResourceType": kind, "Tags": key_values(inputs["tags"])}] if inputs.get("tags") else []


class Ec2Resource(Handler):
    """An EC2 resource with tags: `update` brings the tags to what the inputs say, after `complete`."""

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        self.complete(aws, id_, inputs)
        self.set_tags(aws, id_, inputs)

    @staticmethod
    def set_tags(aws: Aws, id_: str, inputs: Properties) -> None:
        """Add, change and remove tags until they are what the inputs say."""
        ec2, wanted = aws.client("ec2"), inputs.get("tags", {})
        filters = [{"Name": "resource-id", "Values": [id_]}]
        present = as_mapping(ec2.describe_tags(Filters=filters)["Tags"])
        if removed := [{"Key": key} for key in present if key not in wanted]:
            ec2.delete_tags(Resources=[id_], Tags=removed)
        if wanted != present and wanted:
            ec2.create_tags(Resources=[id_], Tags=key_values(wanted))


def arn(aws: Aws, owner: str, kind: str, id_: str) -> str:
    """The ARN of an EC2 resource."""
    return f"arn:aws:ec2:{aws.region}:{owner}:{kind}/{id_}"
