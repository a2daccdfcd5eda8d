"""The images of an environment, and which of them new nodes boot: the one that the model's SSM parameter names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from inference_service import contract
from infra.settings import Model
from scripts.aws_session import Aws


@dataclass(frozen=True)
class Image:
    """One image that `warmfleet image build` made; `created_at` is aware."""

    image_id: str
    environment: str
    model: str
    service_version: str
    source_image: str
    state: str
    architecture: str
    created_at: datetime
    promoted: bool = False

    def age_seconds(self, now: datetime) -> float:
        return max(0.0, (now - self.created_at).total_seconds())


def read_images(aws: Aws, environment: str, models: Sequence[Model]) -> list[Image]:
    """Every image of the environment, the newest first. Raises botocore's errors."""
    filters = [
        {"Name": f"tag:{contract.TAG_ENVIRONMENT}", "Values": [environment]},
        {"Name": "tag-key", "Values": [contract.TAG_SERVICE_VERSION]},
    ]
    found = aws.client("ec2").describe_images(Owners=["self"], Filters=filters)["Images"]
    named = {model.name: value for model in models if (value := promoted_image(aws, model.image_parameter))}
    images = [read_image(each, named) for each in found]
    return sorted(images, key=lambda each: each.created_at, reverse=True)


def read_image(document: Mapping[str, Any], promoted: Mapping[str, str]) -> Image:
    """From DescribeImages; `promoted` has images by model. An image of somebody else has empty texts."""
    tags = {each["Key"]: each["Value"] for each in document.get("Tags", ())}
    model = tags.get(contract.TAG_MODEL, "")
    return Image(
        image_id=document["ImageId"],
        environment=tags.get(contract.TAG_ENVIRONMENT, ""),
        model=model,
        service_version=tags.get(contract.TAG_SERVICE_VERSION, ""),
        source_image=tags.get(contract.TAG_SOURCE_IMAGE, ""),
        state=document["State"],
        architecture=document.get("Architecture", ""),
        created_at=datetime.fromisoformat(document["CreationDate"].replace("Z", "+00:00")).astimezone(UTC),
        promoted=promoted.get(model) == document["ImageId"],
    )


def promoted_image(aws: Aws, parameter: str) -> str | None:
    """What the parameter names; None while it is not there. Raises botocore's errors."""
    if not parameter:
        return None
    ssm = aws.client("ssm")
    try:
        return str(ssm.get_parameter(Name=parameter)["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        return None
