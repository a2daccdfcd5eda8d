"""What instance metadata can tell an instance about itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from localcloud.aws.cloud import ACCOUNT, REGION


@dataclass(frozen=True)
class MetadataOptions:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceMetadataOptionsResponse.html"""

    http_endpoint: str = "enabled"  # or disabled
    http_tokens: str = "optional"  # or required: then only IMDSv2 answers
    http_put_response_hop_limit: int = 1
    instance_metadata_tags: str = "disabled"  # or enabled


@dataclass(frozen=True)
class InstanceFacts:
    """One instance as of now; dates are aware, in UTC.

    `lifecycle_state` is Auto Scaling's present state ("Pending:Wait", "InService", …), `target_lifecycle_state` the
    one that it is being brought to ("InService" or "Terminated"); both None without a group.
    `instance_profile_arn` and `role_name` are None without an instance profile. `spot_ends_at` is when EC2 will take
    the instance (spot/instance-action), None before a notice; `rebalance_at` when a rebalance recommendation was given.
    """

    instance_id: str
    state: str  # EC2's: pending, running, …
    instance_type: str
    zone: str
    image_id: str
    private_ip: str
    pending_at: datetime
    market: str  # spot or on-demand
    mac: str = ""
    region: str = REGION
    account: str = ACCOUNT
    tags: Mapping[str, str] | None = None
    user_data: bytes | None = None  # decoded
    instance_profile_arn: str | None = None
    instance_profile_id: str | None = None
    role_name: str | None = None
    lifecycle_state: str | None = None
    target_lifecycle_state: str | None = None
    spot_noticed_at: datetime | None = None
    spot_ends_at: datetime | None = None
    rebalance_at: datetime | None = None
    public_key: str | None = None  # of its key pair, in OpenSSH's format
    metadata_options: MetadataOptions = MetadataOptions()
