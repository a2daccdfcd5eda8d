"""Whether a bucket's policy lets a service write its logs there: both services look before they accept a bucket.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
"""

import fnmatch
import json
from typing import Any

S3 = "logging.s3.amazonaws.com"
LOAD_BALANCING = "logdelivery.elasticloadbalancing.amazonaws.com"


def may_write(policy: str | bytes | None, service: str, arn: str) -> bool:
    """Whether a statement allows `service` to put objects at `arn`, which ends with `*`. Conditions are not judged."""
    statements = json.loads(policy)["Statement"] if policy else []
    statements = statements if isinstance(statements, list) else [statements]
    return any(_allows(each, service, arn) for each in statements)


def _allows(statement: dict[str, Any], service: str, arn: str) -> bool:
    principal = statement.get("Principal", {})
    if statement.get("Effect") != "Allow" or not isinstance(principal, dict):
        return False
    return (
        service in _many(principal.get("Service", []))
        and any(fnmatch.fnmatchcase("s3:PutObject", each) for each in _many(statement.get("Action", [])))
        and any(fnmatch.fnmatchcase(arn, each) for each in _many(statement.get("Resource", [])))
    )


def _many(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
