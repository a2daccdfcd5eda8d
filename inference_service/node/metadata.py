"""Instance metadata, IMDSv2 only: who this instance is, and what AWS is about to do with it.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp

from inference_service.contract import TAG_GROUP

TOKEN_SECONDS = 21600  # the longest that IMDSv2 gives
TIMEOUT = aiohttp.ClientTimeout(total=2)


class MetadataError(Exception):
    """Instance metadata cannot be reached or refuses."""


@dataclass(frozen=True)
class Identity:
    """What an instance knows about itself. `pending_time` is when EC2 accepted its launch."""

    instance_id: str
    group: str | None = None
    pending_time: datetime | None = None


class InstanceMetadata:
    """Reads metadata paths; None stands for the 404 by which AWS says "nothing of the kind"."""

    def __init__(self, http: aiohttp.ClientSession, endpoint: str) -> None:
        self._http = http
        self._endpoint = endpoint
        self._token: str | None = None

    async def get(self, path: str) -> str | None:
        """The text at `path` below latest/.

        Raises:
            MetadataError: no answer within 2 s, or neither 200 nor 404.
        """
        status, text = await self._get(path)
        if status == 401:  # the token has run out, or this instance was resumed elsewhere
            self._token = None
            status, text = await self._get(path)
        if status == 404:
            return None
        if status != 200:
            raise MetadataError(f"{self._endpoint}/latest/{path} answered {status}: {text[:200]}")
        return text

    async def identity(self) -> Identity:
        """Who this instance is; `group` needs instance tags in metadata, which the launch template turns on."""
        document = _object(await self.get("dynamic/instance-identity/document"))
        instance_id = await self.get("meta-data/instance-id")
        group = await self.get(f"meta-data/tags/instance/{TAG_GROUP}")
        pending = document.get("pendingTime")
        return Identity(instance_id or "unknown", group or None, _time(pending) if pending else None)

    async def spot_action(self) -> tuple[str, datetime] | None:
        """The announced interruption as (action, time); None without a notice, which can be withdrawn.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
        """
        text = await self.get("meta-data/spot/instance-action")
        action = _object(text)
        return (str(action["action"]), _time(str(action["time"]))) if text else None

    async def target_lifecycle_state(self) -> str | None:
        """The state that Auto Scaling moves this instance to; "Terminated" means: leave.

        https://docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html
        """
        text = await self.get("meta-data/autoscaling/target-lifecycle-state")
        return text.strip() if text else None

    async def rebalance_noticed_at(self) -> datetime | None:
        """When EC2 recommended to replace this instance; often hours ahead of a notice, often without one.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html
        """
        text = await self.get("meta-data/events/recommendations/rebalance")
        return _time(str(_object(text)["noticeTime"])) if text else None

    async def _get(self, path: str) -> tuple[int, str]:
        try:
            if self._token is None:
                self._token = await self._new_token()
            headers = {"X-aws-ec2-metadata-token": self._token}
            url = f"{self._endpoint}/latest/{path}"
            async with self._http.get(url, headers=headers, timeout=TIMEOUT) as answer:
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise MetadataError(f"instance metadata at {self._endpoint}: {type(error).__name__} {error}") from error

    async def _new_token(self) -> str:
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
        async with self._http.put(f"{self._endpoint}/latest/api/token", headers=headers, timeout=TIMEOUT) as answer:
            if answer.status != 200:
                raise MetadataError(f"{self._endpoint}/latest/api/token answered {answer.status}")
            return await answer.text()


def _object(text: str | None) -> Mapping[str, Any]:
    document = json.loads(text) if text else {}
    if not isinstance(document, dict):
        raise MetadataError(f"instance metadata: an object was expected, not {text!r}")
    return document


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
