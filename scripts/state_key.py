"""The KMS key of the state: encrypts the bucket, and what is secret in the state itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.exit_codes import CommandError
from scripts.state_backend import KEY_ALIAS

TAG = {"TagKey": "warmfleet:role", "TagValue": "state"}
DESCRIPTION = "Warmfleet: Pulumi's state of this account and region"


def refuse_unusable(key: Mapping[str, Any]) -> None:
    """Return if the key can be used. What somebody switched off on purpose is not switched on again by us.

    Raises:
        CommandError: with the command that does.
    """
    state, key_id = str(key["KeyState"]), key["KeyId"]
    remedies = {
        "PendingDeletion": f"`aws kms cancel-key-deletion --key-id {key_id}`, then "
        f"`aws kms enable-key --key-id {key_id}`, keep it: without it no state can be read",
        "Disabled": f"`aws kms enable-key --key-id {key_id}` enables it",
    }
    if state != "Enabled":
        raise CommandError(f"{KEY_ALIAS} is {state}: {remedies.get(state, 'look at it in the KMS console')}")
    if key.get("KeyManager") != "CUSTOMER" or key.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
        raise CommandError(
            f"{KEY_ALIAS} leads to a key that cannot encrypt a bucket ({key.get('KeySpec')}); point the alias to a "
            "symmetric key of yours with `aws kms update-alias`, or delete it and run this again"
        )


def ensure_key(kms: Any) -> tuple[str, list[str]]:
    """The key's ARN, and what had to be changed so that it is there, has its alias and is rotated.

    Raises:
        CommandError: it exists and cannot be used.
    """
    changes = []
    named = _described(kms, KEY_ALIAS)
    key = named or _left_over(kms)
    if key is None:
        key = kms.create_key(Description=DESCRIPTION, Tags=[TAG])["KeyMetadata"]
        changes.append(f"key {key['KeyId']}: created")
    if named is None:
        kms.create_alias(AliasName=KEY_ALIAS, TargetKeyId=key["KeyId"])
        changes.append(f"{KEY_ALIAS}: created")
    refuse_unusable(key)
    if not kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]:
        kms.enable_key_rotation(KeyId=key["KeyId"])
        changes.append(f"key rotation: {'was off' if named else 'on'}")
    return str(key["Arn"]), changes


def _described(kms: Any, name: str) -> Mapping[str, Any] | None:
    from botocore.exceptions import ClientError

    try:
        found: Mapping[str, Any] = kms.describe_key(KeyId=name)["KeyMetadata"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NotFoundException":
            return None
        raise
    return found


def _left_over(kms: Any) -> Mapping[str, Any] | None:
    """A key that an interrupted run has made and not named: it costs as much as a named one, so it is taken."""
    aliases = kms.get_paginator("list_aliases").paginate()
    named = {alias.get("TargetKeyId") for page in aliases for alias in page["Aliases"]}
    for key_id in _keys(kms):
        if key_id not in named and TAG in _tags(kms, key_id):
            found = _described(kms, key_id)
            if found and found["KeyState"] == "Enabled":
                return found
    return None


def _keys(kms: Any) -> Iterator[str]:
    for page in kms.get_paginator("list_keys").paginate():
        yield from (str(key["KeyId"]) for key in page["Keys"])


def _tags(kms: Any, key_id: str) -> list[Mapping[str, str]]:
    """None for a key that its owner lets nobody look at: that is not ours."""
    from botocore.exceptions import ClientError

    try:
        tags: list[Mapping[str, str]] = kms.list_resource_tags(KeyId=key_id)["Tags"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "AccessDeniedException":
            return []
        raise
    return tags
