"""Everything that metadata can say about one instance, by path below latest/.

Categories: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html
Each part names the page that it follows.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from localcloud.aws.instance_facts import InstanceFacts
from localcloud.aws.metadata.credentials import RoleCredentials

# Credentials are made only when they are asked for.
Leaf = bytes | Callable[[], bytes]
Credentials = Callable[[str, str], RoleCredentials]  # of an instance id and a role name


def read(leaves: Mapping[str, Leaf], path: str) -> bytes | None:
    """What is at `path`: a value, a folder's listing (folders end in "/"), or None for the 404 of IMDS."""
    leaf = leaves.get(path)
    if leaf is not None:
        return leaf if isinstance(leaf, bytes) else leaf()
    folder = path.rstrip("/") + "/" if path.strip("/") else ""
    below = (each.removeprefix(folder) for each in leaves if each.startswith(folder))
    names = {each.split("/")[0] + ("/" if "/" in each else "") for each in below}
    return "\n".join(sorted(names)).encode() if names else None


def content(facts: InstanceFacts, credentials: Credentials) -> dict[str, Leaf]:
    """The leaves of an instance's metadata. What AWS answers with 404, such as a notice not given, has no leaf."""
    meta_data: dict[str, Leaf | str | None] = {
        "ami-id": facts.image_id,
        "instance-id": facts.instance_id,
        "instance-life-cycle": facts.market,
        "instance-type": facts.instance_type,
        "local-ipv4": facts.private_ip,
        "mac": facts.mac or None,
        "public-keys/0/openssh-key": facts.public_key,
        "placement/availability-zone": facts.zone,
        "placement/region": facts.region,
        "autoscaling/target-lifecycle-state": facts.target_lifecycle_state,
        **_tags(facts),
        **_notices(facts),
        **_role(facts, credentials),
    }
    leaves = {f"meta-data/{path}": _encoded(leaf) for path, leaf in meta_data.items() if leaf is not None}
    leaves["dynamic/instance-identity/document"] = _json(_identity_document(facts))
    if facts.user_data:
        leaves["user-data"] = facts.user_data
    return leaves


def _tags(facts: InstanceFacts) -> dict[str, str]:
    """Only where the launch template turns them on. EC2 refuses keys with "/" there, so that each is one leaf.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html
    """
    if facts.metadata_options.instance_metadata_tags != "enabled":
        return {}
    return {f"tags/instance/{key}": value for key, value in (facts.tags or {}).items() if "/" not in key}


def _notices(facts: InstanceFacts) -> dict[str, Leaf]:
    """What EC2 is about to do with a spot instance.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html
    """
    found: dict[str, Leaf] = {}
    if facts.spot_ends_at:
        found["spot/instance-action"] = _json({"action": "terminate", "time": _date(facts.spot_ends_at)})
        found["spot/termination-time"] = _date(facts.spot_ends_at).encode()
    if facts.rebalance_at:
        found["events/recommendations/rebalance"] = _json({"noticeTime": _date(facts.rebalance_at)})
    return found


def _role(facts: InstanceFacts, credentials: Credentials) -> dict[str, Leaf]:
    """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html"""
    role = facts.role_name
    if role is None:
        return {}

    def info() -> bytes:
        return _json(
            {
                "Code": "Success",
                "LastUpdated": _date(credentials(facts.instance_id, role).given_at),
                "InstanceProfileArn": facts.instance_profile_arn,
                "InstanceProfileId": facts.instance_profile_id,
            }
        )

    def session() -> bytes:
        given = credentials(facts.instance_id, role)
        return _json(
            {
                "Code": "Success",
                "LastUpdated": _date(given.given_at),
                "Type": "AWS-HMAC",
                "AccessKeyId": given.access_key_id,
                "SecretAccessKey": given.secret_access_key,
                "Token": given.session_token,
                "Expiration": _date(given.ends_at),
            }
        )

    return {"iam/info": info, f"iam/security-credentials/{role}": session}


def _identity_document(facts: InstanceFacts) -> dict[str, object]:
    """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html; not signed here."""
    return {
        "accountId": facts.account,
        "architecture": "x86_64",
        "availabilityZone": facts.zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "marketplaceProductCodes": None,
        "imageId": facts.image_id,
        "instanceId": facts.instance_id,
        "instanceType": facts.instance_type,
        "kernelId": None,
        "pendingTime": _date(facts.pending_at),
        "privateIp": facts.private_ip,
        "ramdiskId": None,
        "region": facts.region,
        "version": "2017-09-30",
    }


def _encoded(leaf: "Leaf | str") -> Leaf:
    return leaf.encode() if isinstance(leaf, str) else leaf


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document).encode()


def _date(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
