"""Refuses a bucket for access logs as Elastic Load Balancing does, which writes a test object there first.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
"""

from collections.abc import Mapping
from typing import Any

from moto.elbv2.exceptions import ELBClientError
from moto.s3.exceptions import MissingBucket
from moto.s3.models import s3_backends

from localcloud.aws import log_delivery
from localcloud.aws.cloud import ACCOUNT


def check_access_logs(attributes: Mapping[str, Any]) -> None:
    """Raises ELBClientError when logs are turned on and cannot be written; no log is ever written here."""
    if attributes.get("access_logs.s3.enabled") != "true":
        return
    name, prefix = attributes.get("access_logs.s3.bucket") or "", attributes.get("access_logs.s3.prefix") or ""
    if prefix.endswith("/") or prefix.startswith("/") or "AWSLogs" in prefix:
        raise _refusal(f"The prefix '{prefix}' must neither begin nor end with a slash, nor contain AWSLogs")
    try:
        bucket = s3_backends[ACCOUNT]["aws"].get_bucket(name)
    except MissingBucket:
        raise _refusal(f"The S3 bucket '{name}' does not exist") from None
    place = f"{prefix}/" if prefix else ""
    if not log_delivery.may_write(
        bucket.policy, log_delivery.LOAD_BALANCING, f"{bucket.arn}/{place}AWSLogs/{ACCOUNT}/*"
    ):
        raise _refusal(f"Access Denied for bucket: {name}. Please check S3bucket permission")


def _refusal(text: str) -> ELBClientError:
    return ELBClientError("InvalidConfigurationRequest", text)
