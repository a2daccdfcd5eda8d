"""moto's S3 backend with a lock that makes conditional writes atomic, and buckets that check no permission."""

import threading
from typing import Any

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket, S3Backend

from localcloud.aws import log_delivery

# mypy: disallow-subclassing-any=False


class LocalBucket(FakeBucket):
    """A bucket whose policy is kept, not applied, like every permission here.

    moto applies bucket policies without their conditions: "deny what is not encrypted on its way" would deny all.
    """

    def get_permission(self, action: str, resource: str) -> Any:
        return PermissionResult.NEUTRAL

    @staticmethod
    def _log_permissions_enabled_policy(target_bucket: FakeBucket, target_prefix: str | None) -> bool:
        """moto fails at a statement about everybody, such as the one that wants TLS."""
        arn = f"{target_bucket.arn}/{target_prefix or ''}*"
        return log_delivery.may_write(target_bucket.policy, log_delivery.S3, arn)


class LocalS3Backend(S3Backend):
    """S3 of one account."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.write_lock = threading.Lock()  # between a condition's check and the write that depends on it

    def create_bucket(self, *args: Any, **options: Any) -> Any:
        bucket = super().create_bucket(*args, **options)
        bucket.__class__ = LocalBucket
        return bucket

    def delete_object(
        self, bucket_name: str, key_name: str, version_id: str | None = None, bypass: bool = False
    ) -> tuple[bool, dict[str, Any]]:
        """One version goes alone also while versioning is suspended, where moto takes every version of the key at once.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectsfromVersioningSuspendedBuckets.html
        """
        bucket = self.get_bucket(bucket_name)
        if version_id is None or bucket.versioning_status != "Suspended":
            done: tuple[bool, dict[str, Any]] = super().delete_object(bucket_name, key_name, version_id, bypass)
            return done
        bucket.versioning_status = "Enabled"
        try:
            return super().delete_object(bucket_name, key_name, version_id, bypass)  # type: ignore[no-any-return]
        finally:
            bucket.versioning_status = "Suspended"

    @property
    def _url_module(self) -> Any:
        """moto names its own module here, by which our Response would be ignored."""
        from localcloud.aws.s3 import urls

        return urls
