"""`warmfleet image`: build an image of the service bundle, list images, say which one new nodes boot."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.options import JsonFlag, StackOption
from scripts.root import LOCAL_STACK

if TYPE_CHECKING:
    from scripts.images.catalogue import Image
    from scripts.images.promotion import Stack
    from scripts.stack_target import StackTarget

app = typer.Typer(help="Images with everything but data and secrets: build, list, promote.", no_args_is_help=True)

ModelName = Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Whose nodes; default: the first model.")]


@app.command()
def build(model: ModelName = None, stack: StackOption = LOCAL_STACK, as_json: JsonFlag = False) -> None:
    """Make an image that the stack's nodes boot without configuring themselves.

    Launches a builder as nodes are launched, from the newest public image, lets it apply the stack's service bundle,
    makes its disk an image and terminates it, also after a failure or Ctrl-C. On AWS
    it costs minutes of an on-demand instance.

    Example: warmfleet image build --stack staging
    """
    from scripts import terminal
    from scripts.aws_session import explained
    from scripts.images.building import Building
    from scripts.images.recipe import read_recipe
    from scripts.progress import Steps
    from scripts.stack_target import open_stack

    target = open_stack(stack)
    _refuse_processes(target)
    with explained():
        recipe = read_recipe(target.aws, target.outputs, target.outputs.fleet(model))
        image_id = Building(target.aws.client("ec2"), recipe, Steps(sys.stderr)).run()
    if as_json:
        facts = {"model": recipe.model, "service_version": recipe.service_version, "source_image": recipe.source_image}
        terminal.print_json({"image_id": image_id, **facts})
        return
    terminal.say(f"{image_id} has service {recipe.service_version[:12]} for {recipe.model}")
    terminal.say(f"let new nodes boot it: warmfleet image promote {image_id}{_option(stack)}")


@app.command("list")
def list_images(stack: StackOption = LOCAL_STACK, as_json: JsonFlag = False) -> None:
    """List the stack's images: what is in each, how old it is, and which one new nodes boot.

    Example: warmfleet image list
    """
    from scripts import terminal
    from scripts.aws_session import explained
    from scripts.images.catalogue import read_images
    from scripts.stack_target import open_stack

    target = open_stack(stack)
    with explained():
        images = read_images(target.aws, target.outputs.environment, _described(target).models)
    now, served = datetime.now(UTC), target.outputs.service_version
    if as_json:
        terminal.print_json({"service_version": served, "images": [_document(each, now) for each in images]})
        return
    rows = [[each.image_id, each.model, _age(each, now), _bundle(each, served), _word(each)] for each in images]
    terminal.out().print(terminal.table("image", "model", "age", "service", "", rows=rows))


@app.command()
def promote(
    image_id: Annotated[str, typer.Argument(metavar="IMAGE", help="An image's id, as `list` shows it.")],
    stack: StackOption = LOCAL_STACK,
    as_json: JsonFlag = False,
) -> None:
    """Let new nodes boot IMAGE: write the SSM parameter that its model names in `image_parameter`.

    Running nodes stay until the next `up`, which rolls them.

    Example: warmfleet image promote ami-0123456789abcdef0 --stack staging
    """
    from scripts import terminal
    from scripts.aws_session import explained
    from scripts.images.promotion import find_image
    from scripts.images.promotion import promote as promote_image
    from scripts.stack_target import open_stack

    target = open_stack(stack)
    with explained():
        done = promote_image(target.aws, find_image(target.aws, image_id), _described(target))
    if as_json:
        changed = done.before != image_id
        facts = {"image_id": image_id, "parameter": done.parameter, "before": done.before, "changed": changed}
        terminal.print_json({"model": done.image.model, **facts})
        return
    terminal.say(f"{done.parameter} names {image_id}" + (f"; before: {done.before}" if done.before else ""))
    if done.image.service_version != target.outputs.service_version:
        has, served = done.image.service_version[:12], target.outputs.service_version[:12]
        terminal.say(
            f"it has service {has} and the stack {served}: nodes will fetch and apply that at their first boot"
        )
    terminal.say(f"`warmfleet up{_option(stack, ' ')}` rolls the nodes onto it")


def _refuse_processes(target: "StackTarget") -> None:
    from localcloud.cloud_state import PROCESSES
    from scripts.exit_codes import USAGE, CommandError

    if target.cloud and target.cloud.nodes == PROCESSES:
        raise CommandError(
            "instances of this local cloud are processes, which have no disk to make an image of; as root: "
            "`warmfleet down`, then `warmfleet up --nodes hosts`",
            USAGE,
        )


def _described(target: "StackTarget") -> "Stack":
    from infra.settings import parse
    from scripts.images.promotion import Stack
    from scripts.settings_check import config_texts, refuse_mistakes

    refuse_mistakes(target.root, target.name)
    settings = parse(config_texts(target.root, target.name), target.name)
    return Stack(target.name, f"Pulumi.{target.name}.yaml", target.outputs.environment, settings.models)


def _option(stack: str, before: str = " --stack ") -> str:
    return "" if stack == LOCAL_STACK else f"{before}{stack}"


def _document(image: "Image", now: datetime) -> dict[str, Any]:
    return {
        "image_id": image.image_id,
        "model": image.model,
        "state": image.state,
        "promoted": image.promoted,
        "service_version": image.service_version,
        "source_image": image.source_image,
        "created_at": image.created_at.isoformat(),
        "age_seconds": round(image.age_seconds(now)),
    }


def _age(image: "Image", now: datetime) -> str:
    hours = image.age_seconds(now) / 3600
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.1f} h"


def _bundle(image: "Image", served: str) -> str:
    return image.service_version[:12] + ("" if image.service_version == served else ", not the stack's")


def _word(image: "Image") -> str:
    return "promoted" if image.promoted else ("" if image.state == "available" else image.state)
