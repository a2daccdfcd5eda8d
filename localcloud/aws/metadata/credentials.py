"""Credentials of an instance's role: real sessions of the local STS, renewed before they end."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LIFETIME = timedelta(hours=6)
# AWS promises new ones five minutes before the old ones end; botocore begins to ask 15 minutes before.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
RENEWED_BEFORE = timedelta(hours=1)


@dataclass(frozen=True)
class RoleCredentials:
    """A session of a role; its dates are real, whatever the time scale, since SDKs compare them to their own clock."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    given_at: datetime
    ends_at: datetime


# (role name, session name) -> a new session
Assume = Callable[[str, str], RoleCredentials]


class CredentialSource:
    """The present credentials of each instance and role: the same ones until they have to be renewed."""

    def __init__(self, assume: Assume, now: Callable[[], datetime]) -> None:
        self._assume = assume
        self._now = now
        self._lock = threading.Lock()
        self._present: dict[tuple[str, str], RoleCredentials] = {}

    def of(self, instance_id: str, role_name: str) -> RoleCredentials:
        """Two requests at the same time get the same credentials."""
        with self._lock:
            found = self._present.get((instance_id, role_name))
            if found is None or found.ends_at - self._now() < RENEWED_BEFORE:
                found = self._present[instance_id, role_name] = self._assume(role_name, instance_id)
            return found


def assume_role(role_name: str, session_name: str) -> RoleCredentials:
    """A session at moto's STS, with the instance's id as its name, as on EC2."""
    from moto.iam.models import iam_backends
    from moto.sts.models import sts_backends

    from localcloud.aws.cloud import ACCOUNT, REGION

    role = iam_backends[ACCOUNT]["aws"].get_role(role_name)
    session = sts_backends[ACCOUNT]["aws"].assume_role(
        region_name=REGION,
        role_session_name=session_name,
        role_arn=role.arn,
        policy=None,
        duration=int(LIFETIME.total_seconds()),
        external_id=None,
    )
    now = datetime.now(UTC)
    return RoleCredentials(session.access_key_id, session.secret_access_key, session.session_token, now, now + LIFETIME)
