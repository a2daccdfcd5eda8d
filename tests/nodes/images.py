"""An image of the local stack as an operator makes it: built, named in the stack's file, promoted, rolled out."""

import json
from typing import Any

from tests.local_fleet import LocalFleet

PARAMETER = "/warmfleet/local/image"


def build_and_promote(fleet: LocalFleet) -> str:
    """The image; new nodes will boot it after the next `up`."""
    built = json.loads(fleet.checkout.warmfleet("image", "build", "--json").stdout)
    file = fleet.checkout.root / "Pulumi.local.yaml"
    text = file.read_text()
    file.write_text(
        text.replace("      context_tokens:", f"      image_parameter: {PARAMETER}\n      context_tokens:", 1)
    )
    promoted = json.loads(fleet.checkout.warmfleet("image", "promote", built["image_id"], "--json").stdout)
    assert (promoted["parameter"], promoted["changed"]) == (PARAMETER, True)
    return str(built["image_id"])


def instances_of(fleet: LocalFleet, image_id: str) -> list[dict[str, Any]]:
    """Running instances that booted an image."""
    filters = [
        {"Name": "image-id", "Values": [image_id]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    found = fleet.client("ec2").describe_instances(Filters=filters)["Reservations"]
    return [each for reservation in found for each in reservation["Instances"]]
