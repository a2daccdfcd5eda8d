"""Builds one image: launches a builder, waits until it has baked and powered itself off, and makes its disk an image.

A builder says how it went as the last words on its console (infra/bake.sh). EC2 posts the console shortly after an
instance has stopped, and at once on request for instances of the Nitro system:
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html
"""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from inference_service import contract
from infra.user_data import MOST_BAKING_SECONDS
from scripts.exit_codes import CommandError
from scripts.images.console import Console
from scripts.images.recipe import Recipe
from scripts.progress import Step, Steps

POLL_SECONDS = 3.0
POSTED_SECONDS = 600.0  # for the console of a stopped builder
MOST_BUILDER_SECONDS = MOST_BAKING_SECONDS + 600.0  # until then it has powered itself off in any case
MOST_IMAGE_SECONDS = 7200.0
NO_CAPACITY = ("InsufficientInstanceCapacity", "Unsupported", "InstanceLimitExceeded", "VcpuLimitExceeded")
ENDED = ("shutting-down", "terminated")


@dataclass
class Building:
    """One build. `token` is in a tag of everything that it launches, so that nothing can be left unseen."""

    ec2: Any
    recipe: Recipe
    steps: Steps
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    token: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    _console: Console = field(default_factory=lambda: Console(""))

    def run(self) -> str:
        """The id of the image, which is available. The builder is terminated however this ends.

        Raises:
            CommandError: there is no image; why, with the end of the builder's console.
            botocore's errors.
        """
        try:
            with self.steps.step("builder") as shown:
                instance_id, shown.result = self._launch()
            with self.steps.step("bake") as shown:
                self._wait_until_baked(instance_id, shown)
                shown.result = f"service {self.recipe.service_version[:12]}"
            with self.steps.step("image") as shown:
                shown.result = image_id = self._make_image(instance_id, shown)
            return image_id
        finally:
            self._end_builders()

    def _launch(self) -> tuple[str, str]:
        """The builder, and what it is: the first type and subnet where there is capacity."""
        from botocore.exceptions import ClientError

        refused = dict[str, str]()
        for instance_type in self.recipe.types:
            for subnet in self.recipe.subnets:
                try:
                    reply = self.ec2.run_instances(**self._request(instance_type, subnet))
                except ClientError as error:
                    if error.response["Error"]["Code"] not in NO_CAPACITY:
                        raise
                    refused[f"{instance_type} in {subnet}"] = error.response["Error"]["Code"]
                    continue
                instance_id = str(reply["Instances"][0]["InstanceId"])
                return instance_id, f"{instance_id}, {instance_type} from {self.recipe.source_image}"
        said = "; ".join(f"{where}: {code}" for where, code in refused.items())
        raise CommandError(f"AWS has no on-demand capacity for a builder ({said}); try again later")

    def _request(self, instance_type: str, subnet: str) -> dict[str, Any]:
        recipe = self.recipe
        tags = {
            "Name": "warmfleet-image-builder",
            contract.TAG_ENVIRONMENT: recipe.environment,
            contract.TAG_IMAGE_BUILDER: self.token,
        }
        return {
            "LaunchTemplate": {"LaunchTemplateId": recipe.template, "Version": recipe.version},
            "ImageId": recipe.source_image,
            "InstanceType": instance_type,
            "SubnetId": subnet,
            "UserData": recipe.user_data,
            "InstanceInitiatedShutdownBehavior": "stop",
            "MetadataOptions": {"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 1},
            "TagSpecifications": _specifications(tags, "instance", "volume"),
            "MinCount": 1,
            "MaxCount": 1,
        }

    def _wait_until_baked(self, instance_id: str, shown: Step) -> None:
        """Until it has stopped and has said that it baked."""
        began, stopped_at = self.clock(), None
        while True:
            state, baked = self._state(instance_id), self._read_console(instance_id)
            now = self.clock()
            stopped_at = now if state == "stopped" and stopped_at is None else stopped_at
            if baked is False or state in ENDED:
                raise self._failed(instance_id, "could not bake" if baked is False else f"was ended ({state})")
            if baked and state == "stopped":
                return
            if stopped_at is not None and now - stopped_at > POSTED_SECONDS:
                raise self._failed(instance_id, f"has stopped without a word in {POSTED_SECONDS:.0f} s")
            if now - began > MOST_BUILDER_SECONDS:
                raise self._failed(instance_id, f"has not finished in {MOST_BUILDER_SECONDS:.0f} s")
            shown.say(self._console.task() or f"{instance_id} is {state}")
            self.sleep(POLL_SECONDS)

    def _state(self, instance_id: str) -> str:
        found = self.ec2.describe_instances(Filters=[{"Name": "instance-id", "Values": [instance_id]}])["Reservations"]
        return str(found[0]["Instances"][0]["State"]["Name"]) if found else "pending"  # not everywhere known yet

    def _read_console(self, instance_id: str) -> bool | None:
        from botocore.exceptions import ClientError

        try:
            reply = self.ec2.get_console_output(InstanceId=instance_id, Latest=True)
        except ClientError as error:
            if error.response["Error"]["Code"] != "UnsupportedOperation":  # types before Nitro
                raise
            reply = self.ec2.get_console_output(InstanceId=instance_id)
        if text := reply.get("Output"):
            self._console = Console(text)
        return self._console.baked(self.recipe.service_version)

    def _failed(self, instance_id: str, what: str) -> CommandError:
        return CommandError(
            f"builder {instance_id} {what}; it is terminated, and there is no image. The end of its console:\n"
            f"{self._console.tail()}"
        )

    def _make_image(self, instance_id: str, shown: Step) -> str:
        recipe = self.recipe
        # 3 to 128 characters, and no other image's: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html
        name = f"warmfleet-{self.token}-{recipe.service_version[:12]}-{recipe.environment}-{recipe.model}"[:128]
        tags = _specifications({"Name": name, **recipe.tags()}, "image", "snapshot")
        image_id = str(self.ec2.create_image(InstanceId=instance_id, Name=name, TagSpecifications=tags)["ImageId"])
        try:
            self._wait_until_available(image_id, shown)
        except BaseException:
            self.ec2.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)
            raise
        return image_id

    def _wait_until_available(self, image_id: str, shown: Step) -> None:
        began = self.clock()
        while True:
            found = self.ec2.describe_images(Filters=[{"Name": "image-id", "Values": [image_id]}])["Images"]
            state = found[0]["State"] if found else "pending"
            if state == "available":
                return
            if state != "pending":
                why = found[0].get("StateReason", {}).get("Message", "no reason given")
                raise CommandError(f"image {image_id} is {state}: {why}; it is removed, build again")
            if self.clock() - began > MOST_IMAGE_SECONDS:
                raise CommandError(f"image {image_id} is pending after {MOST_IMAGE_SECONDS:.0f} s; it is removed")
            shown.say(f"{image_id} is {state}")
            self.sleep(POLL_SECONDS)

    def _end_builders(self) -> None:
        """By tag: an interrupted launch may have made one whose id was never heard."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._terminate()
        except KeyboardInterrupt:  # a second Ctrl-C does not leave one running either
            self._terminate()
            raise
        except (BotoCoreError, ClientError) as error:
            tag = f"{contract.TAG_IMAGE_BUILDER}={self.token}"
            raise CommandError(
                f"the builder may still be there ({error}): terminate the instance with the tag {tag}"
            ) from error

    def _terminate(self) -> None:
        asked = [{"Name": f"tag:{contract.TAG_IMAGE_BUILDER}", "Values": [self.token]}]
        found = self.ec2.describe_instances(Filters=asked)["Reservations"]
        instances = [each for reservation in found for each in reservation["Instances"]]
        if alive := [each["InstanceId"] for each in instances if each["State"]["Name"] not in ENDED]:
            self.ec2.terminate_instances(InstanceIds=alive)


def _specifications(tags: Mapping[str, str], *kinds: str) -> list[dict[str, Any]]:
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    return [{"ResourceType": kind, "Tags": pairs} for kind in kinds]
