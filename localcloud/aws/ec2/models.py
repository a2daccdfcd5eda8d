"""Instances that are pending first, have an address that this machine can bind, and tell the event log of changes."""

from datetime import timedelta
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models import EC2Backend
from moto.ec2.models.instances import InstanceState
from moto.ec2.utils import filter_iam_instance_profiles

from localcloud.aws import event_log
from localcloud.aws.cloud import current
from localcloud.aws.ec2 import image_copies

# mypy: disallow-subclassing-any=False

# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html
PENDING, RUNNING, TERMINATED = "pending", "running", "terminated"
STATE_CODES = {PENDING: 0, RUNNING: 16}
VISIBLE_AFTER_END = timedelta(hours=1)


class LocalEC2Backend(EC2Backend):
    """EC2 of one region."""

    def run_instances(
        self, image_id: str, count: int, user_data: Any, security_group_names: list[str], **options: Any
    ) -> Any:
        """Launch; also what moto leaves out of a launch template: profile, metadata options, network interface.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html
        """
        template = options.get("launch_template")
        data = self._get_template_from_args(template).data if template else {}
        _complete_from_template(options, data)
        profile = data.get("IamInstanceProfile") or {}
        if options.get("iam_instance_profile_name") or options.get("iam_instance_profile_arn"):
            profile = {}  # moto's response associates the one of the request
        names = {"iam_instance_profile_name": profile.get("Name"), "iam_instance_profile_arn": profile.get("Arn")}
        if profile:  # an unknown one shall refuse the launch, not leave half of it
            filter_iam_instance_profiles(self.account_id, partition=self.partition, **names)
        reservation = super().run_instances(image_id, count, user_data, security_group_names, **options)
        for instance in reservation.instances:
            if profile:
                self.associate_iam_instance_profile(instance_id=instance.id, **names)
            self._begin(instance, options.get("private_ip"))
        return reservation

    def start_instances(self, instance_ids: list[str]) -> Any:
        started = super().start_instances(instance_ids)
        for instance, _ in started:
            self._set_state(instance, PENDING)
        return started

    def stop_instances(self, instance_ids: list[str]) -> Any:
        stopped = super().stop_instances(instance_ids)
        for instance, _ in stopped:
            current().events.add(event_log.INSTANCE_STOPPED, instance_id=instance.id)
        return stopped

    def reboot_instances(self, instance_ids: list[str]) -> list[Any]:
        """RebootInstances; here only hosts have something to reboot."""
        rebooted = super().reboot_instances(instance_ids)
        for instance in rebooted:
            instance.local_reboots = getattr(instance, "local_reboots", 0) + 1
            current().events.add(event_log.INSTANCE_REBOOTED, instance_id=instance.id)
        return list(rebooted)

    def terminate_instances(self, instance_ids: list[str]) -> Any:
        """TerminateInstances. An instance that has ended already stays as it is, as on AWS."""
        ended = {each.id for each in self.get_multi_instances_by_id(instance_ids) if each.state == TERMINATED}
        alive = [each for each in instance_ids if each not in ended]
        changed = super().terminate_instances(alive) if alive or not instance_ids else []
        for instance, _ in changed:
            self._ended(instance)
        unchanged = [(each, each.instance_state) for each in self.get_multi_instances_by_id(sorted(ended))]
        return changed + unchanged

    def create_image(
        self, instance_id: str, name: str, description: str, tag_specifications: list[dict[str, Any]]
    ) -> Any:
        """CreateImage of a stopped instance."""
        instance = self.get_instance(instance_id)
        image_copies.refuse_running(instance)
        of_image = [each for each in tag_specifications if each["ResourceType"] != image_copies.SNAPSHOT]
        image = super().create_image(instance_id, name, description, of_image)
        image_copies.begin(image, instance, tag_specifications)
        return image

    def tick(self) -> None:
        """Let what is pending run, and forget what ended an hour ago."""
        if current().hosts is None:  # no instance has a disk
            for image in image_copies.pending():
                image_copies.finish(image["image_id"], copied=True)
        for instance in self.all_instances():
            if instance.state == PENDING:
                self._set_state(instance, RUNNING)
        for key, reservation in list(self.reservations.items()):
            if all(_long_ended(each) for each in reservation.instances):
                del self.reservations[key]

    def take_back(self, instance_id: str) -> None:
        """End an interrupted spot instance, hook or no hook.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/interruption-behavior.html
        """
        instance = self.get_instance(instance_id)
        if instance.state == TERMINATED:
            return
        self.terminate_instances([instance_id])
        instance.state_reason.code = "Server.SpotInstanceTermination"
        instance.state_reason.message = "Server.SpotInstanceTermination: Spot instance termination"

    def _begin(self, instance: Any, asked: str | None) -> None:
        instance.nics[0].delete_on_termination = True  # moto keeps it, and with it the security group in use
        if asked is None:
            address = current().addresses.take_instance()
            instance.nics[0].private_ip_address = address
            instance.nics[0].private_ip_addresses = [{"Primary": True, "PrivateIpAddress": address}]
            instance.local_address = address
        self._set_state(instance, PENDING)

    @staticmethod
    def _set_state(instance: Any, name: str) -> None:
        instance._state = InstanceState(name, STATE_CODES[name])
        kind = event_log.INSTANCE_PENDING if name == PENDING else event_log.INSTANCE_RUNNING
        current().events.add(kind, instance_id=instance.id)

    @staticmethod
    def _ended(instance: Any) -> None:
        cloud = current()
        cloud.spot.pop(instance.id, None)
        instance.local_ended_at = utcnow()
        if address := getattr(instance, "local_address", None):
            cloud.addresses.give_back_instance(address)
        cloud.events.add(event_log.INSTANCE_TERMINATED, instance_id=instance.id)


def _complete_from_template(options: dict[str, Any], data: dict[str, Any]) -> None:
    """What the request does not say comes from the launch template."""
    if not options.get("metadata_options") and data.get("MetadataOptions"):
        options["metadata_options"] = data["MetadataOptions"]
    interfaces = data.get("NetworkInterfaces") or [{}]
    if not (options.get("security_group_ids") or data.get("SecurityGroupIds")) and interfaces[0].get("Groups"):
        options["security_group_ids"] = list(interfaces[0]["Groups"])
    behavior = data.get("InstanceInitiatedShutdownBehavior")
    if behavior and not options.get("instance_initiated_shutdown_behavior"):
        options["instance_initiated_shutdown_behavior"] = behavior
    if options.get("associate_public_ip") is None and "AssociatePublicIpAddress" in interfaces[0]:
        options["associate_public_ip"] = interfaces[0]["AssociatePublicIpAddress"]


def _long_ended(instance: Any) -> bool:
    ended_at = getattr(instance, "local_ended_at", None)
    return ended_at is not None and utcnow() - ended_at > VISIBLE_AFTER_END
