"""Which image may become the one that new nodes of a model boot. Pure but for `promote`."""

from collections.abc import Sequence
from dataclasses import dataclass

from infra.settings import Model
from scripts.aws_session import Aws
from scripts.exit_codes import CommandError
from scripts.images.catalogue import Image, promoted_image, read_image

AWS_OWN = "/aws/"  # parameters that AWS alone writes


@dataclass(frozen=True)
class Stack:
    """What a promotion is held against; `file` is the stack's."""

    name: str
    file: str
    environment: str
    models: Sequence[Model]


@dataclass(frozen=True)
class Promoted:
    """`before` is None where the parameter was not there."""

    image: Image
    parameter: str
    before: str | None


def find_image(aws: Aws, image_id: str) -> Image:
    """Raises CommandError: there is no such image."""
    filters = [{"Name": "image-id", "Values": [image_id]}]
    if found := aws.client("ec2").describe_images(Filters=filters)["Images"]:
        return read_image(found[0], {})
    raise CommandError(f"there is no image {image_id} in this region; `warmfleet image list` shows those of the stack")


def refuse_unfit(image: Image, stack: Stack) -> Model:
    """The model whose nodes shall boot the image.

    Raises:
        CommandError: they cannot, or must not; nothing was changed.
    """
    if not image.service_version:
        raise CommandError(f"{image.image_id} was not made by `warmfleet image build`; nothing was changed")
    if image.environment != stack.environment:
        raise CommandError(
            f"{image.image_id} is of environment {image.environment}, and stack {stack.name} is {stack.environment}: "
            f"build one with `warmfleet image build --stack {stack.name}`; nothing was changed"
        )
    if image.state != "available":
        raise CommandError(f"{image.image_id} is {image.state}, not available; nothing was changed")
    for model in stack.models:
        if model.name == image.model:
            return model
    known = ", ".join(model.name for model in stack.models)
    raise CommandError(f"{image.image_id} is of model {image.model}; {stack.file} has {known}; nothing was changed")


def refuse_parameter(model: Model, stack: Stack) -> str:
    """The name of the SSM parameter that the model's launch template reads.

    Raises:
        CommandError: it reads none of this account.
    """
    if model.image_parameter and not model.image_parameter.startswith(AWS_OWN):
        return model.image_parameter
    now = f"reads AWS's own {model.image_parameter}" if model.image_parameter else "reads no parameter of yours"
    raise CommandError(
        f"model {model.name} {now}; give it in {stack.file} "
        f"`image_parameter: /warmfleet/{stack.environment}/{model.name}/image`, then promote again; nothing was changed"
    )


def promote(aws: Aws, image: Image, stack: Stack) -> Promoted:
    """Write the parameter, after all that speaks against it. The same image again changes nothing.

    Raises:
        CommandError: the image does not fit; nothing was changed.
        botocore's errors.
    """
    model = refuse_unfit(image, stack)
    parameter = refuse_parameter(model, stack)
    _refuse_architecture(aws, image, model)
    before = promoted_image(aws, parameter)
    if before != image.image_id:
        aws.client("ssm").put_parameter(Name=parameter, Value=image.image_id, Type="String", Overwrite=True)
    return Promoted(image, parameter, before)


def _refuse_architecture(aws: Aws, image: Image, model: Model) -> None:
    """Raises CommandError: one of the model's instance types cannot run the image."""
    pages = aws.client("ec2").get_paginator("describe_instance_types").paginate(InstanceTypes=[*model.instance_types])
    types = [each for page in pages for each in page["InstanceTypes"]]
    wrong = [
        f"{each['InstanceType']} ({', '.join(each['ProcessorInfo']['SupportedArchitectures'])})"
        for each in types
        if image.architecture not in each["ProcessorInfo"]["SupportedArchitectures"]
    ]
    if wrong:
        raise CommandError(
            f"{image.image_id} is for {image.architecture}; of model {model.name} it does not fit {', '.join(wrong)}; "
            "nothing was changed"
        )
