"""What load balancers, target groups and listeners have in common: an ARN as id, tags by ARN, attributes as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.provider.handlers.ec2_tags import as_mapping, key_values
from localcloud.provider.resource import Aws, Handler
from localcloud.provider.values import Properties


@dataclass(frozen=True)
class Attribute:
    """One attribute of AWS that is a property in Pulumi; `default` is what Pulumi's provider sets it to when it is
    taken out of the program."""

    key: str
    default: int | bool | str

    def text(self, value: Any) -> str:
        """The value as AWS takes it."""
        return str(value).lower() if isinstance(value, bool) else str(value)

    def value(self, text: str) -> int | bool | str:
        """The value of AWS's text."""
        return text == "true" if isinstance(self.default, bool) else type(self.default)(text)


class Elb(Handler):
    """A resource of Elastic Load Balancing, version 2."""

    def set_tags(self, aws: Aws, id_: str, inputs: Properties) -> None:
        """Add, change and remove tags until they are what the inputs say."""
        client, wanted, present = aws.client("elbv2"), inputs.get("tags", {}), tags_of(aws, id_)
        if removed := [key for key in present if key not in wanted]:
            client.remove_tags(ResourceArns=[id_], TagKeys=removed)
        if wanted and wanted != present:
            client.add_tags(ResourceArns=[id_], Tags=key_values(wanted))


def tags_of(aws: Aws, arn: str) -> dict[str, str]:
    """The tags of one resource."""
    descriptions = aws.client("elbv2").describe_tags(ResourceArns=[arn])["TagDescriptions"]
    return as_mapping(descriptions[0]["Tags"]) if descriptions else {}


def attributes_to_set(
    inputs: Properties, present: list[dict[str, str]], table: Mapping[str, Attribute]
) -> list[dict[str, str]]:
    """The attributes that are not yet as the inputs, or for what they leave out the defaults, say."""
    now = {each["Key"]: each["Value"] for each in present}
    wanted = {each.key: each.text(inputs.get(name, each.default)) for name, each in table.items()}
    asked = {each.key for name, each in table.items() if name in inputs}
    # What AWS does not list for this kind of balancer is set only when asked for.
    return [
        {"Key": key, "Value": text}
        for key, text in wanted.items()
        if now.get(key) != text and (key in asked or key in now)
    ]


def read_attributes(attributes: list[dict[str, str]], table: Mapping[str, Attribute]) -> Properties:
    """Attributes as properties."""
    present = {each["Key"]: each["Value"] for each in attributes}
    return {name: each.value(present[each.key]) for name, each in table.items() if each.key in present}
