"""Reads what instance metadata tells from the backends of EC2, Auto Scaling and IAM."""

import base64
from datetime import UTC, datetime
from typing import Any

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends

from localcloud.aws.autoscaling.lifecycle import target_state
from localcloud.aws.cloud import ACCOUNT, Cloud, SpotNotice, current
from localcloud.aws.instance_facts import InstanceFacts, MetadataOptions


def all_instances() -> list[Any]:
    """moto's instances of every region that was used. Hold the cloud's lock."""
    backends = list(ec2_backends[ACCOUNT].values())
    return [instance for backend in backends for instance in backend.all_instances()]


def read_facts(instance_id: str) -> InstanceFacts | None:
    """The facts of a living instance; None for any other id."""
    cloud = current()
    with cloud.lock:
        for instance in all_instances():
            if instance.id == instance_id and instance.state != "terminated":
                return _facts(instance, cloud)
    return None


def tags_of(instance: Any) -> dict[str, str]:
    return {each["key"]: each["value"] for each in instance.get_tags()}


def user_data_of(instance: Any) -> bytes | None:
    """Decoded from base64; may be compressed, so that it is no text."""
    return base64.b64decode(instance.user_data.as_bytes()) if instance.user_data else None


def _facts(instance: Any, cloud: Cloud) -> InstanceFacts:
    region = instance.ec2_backend.region_name
    notice = cloud.spot.get(instance.id, SpotNotice())
    state = _lifecycle_state(instance.id, region)
    arn = (instance.iam_instance_profile or {}).get("Arn")
    profile_id, role = _profile(arn)
    options = instance.metadata_options
    return InstanceFacts(
        instance_id=instance.id,
        state=instance.state,
        instance_type=instance.instance_type,
        zone=instance.placement.zone,
        image_id=instance.image_id,
        private_ip=instance.private_ip,
        pending_at=_aware(instance.launch_time),
        market="spot" if instance.lifecycle == "spot" else "on-demand",
        mac=instance.nics[0].mac_address,
        region=region,
        account=ACCOUNT,
        tags=tags_of(instance),
        user_data=user_data_of(instance),
        instance_profile_arn=arn,
        instance_profile_id=profile_id,
        role_name=role,
        lifecycle_state=state,
        target_lifecycle_state=target_state(state) if state else None,
        spot_noticed_at=_date(notice.noticed_at, cloud),
        spot_ends_at=_date(notice.ends_at, cloud),
        rebalance_at=_date(notice.rebalance_at, cloud),
        public_key=_public_key(instance),
        metadata_options=MetadataOptions(
            options.http_endpoint or "enabled",
            options.http_tokens or "optional",
            options.http_put_response_hop_limit,
            options.instance_metadata_tags or "disabled",
        ),
    )


def _lifecycle_state(instance_id: str, region: str) -> str | None:
    for group in autoscaling_backends[ACCOUNT][region].autoscaling_groups.values():
        for member in group.instance_states:
            if member.instance_id == instance_id:
                return str(member.lifecycle_state)
    return None


def _profile(arn: str | None) -> tuple[str | None, str | None]:
    """The id of an instance profile and the name of its role."""
    if arn:
        for profile in iam_backends[ACCOUNT]["aws"].instance_profiles.values():
            if profile.arn == arn:
                return profile.id, profile.roles[0].name if profile.roles else None
    return None, None


def _public_key(instance: Any) -> str | None:
    pair = instance.ec2_backend.key_pairs.get(instance.key_name)
    return str(pair.public_key) if pair else None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _date(seconds: float | None, cloud: Cloud) -> datetime | None:
    return None if seconds is None else cloud.clock.date(seconds)
