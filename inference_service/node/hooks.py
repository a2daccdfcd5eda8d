"""The node's side of Auto Scaling lifecycle hooks.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks.html
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from inference_service.artifacts.store import error_code
from inference_service.node.metadata import Identity

if TYPE_CHECKING:
    from mypy_boto3_autoscaling import AutoScalingClient

CONTINUE = "CONTINUE"
# What Auto Scaling answers when no hook holds this instance: completed before, timed out, or never begun.
NOT_WAITING = "ValidationError"
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(frozen=True)
class LifecycleHooks:
    """Completes and prolongs the hooks of one instance. Without a group there is nothing to do."""

    client: "AutoScalingClient"
    identity: Identity
    launch_hook: str | None
    terminate_hook: str | None

    async def complete_launch(self) -> None:
        """Let the instance go InService. Tries until Auto Scaling answers: the node serves meanwhile."""
        await self._complete(self.launch_hook, attempts=None)

    async def complete_termination(self) -> None:
        """Let the instance go. Tries three times: the hook's timeout ends the instance as well."""
        await self._complete(self.terminate_hook, attempts=3)

    async def prolong_launch(self) -> bool:
        """Give the launch hook its full timeout again; False when no hook holds this instance (any more)."""
        return await self._prolong(self.launch_hook)

    async def prolong_termination(self) -> bool:
        """The same for the terminate hook."""
        return await self._prolong(self.terminate_hook)

    async def _prolong(self, hook: str | None) -> bool:
        if not (hook and self.identity.group):
            return False
        try:
            await asyncio.to_thread(
                self.client.record_lifecycle_action_heartbeat,
                LifecycleHookName=hook,
                AutoScalingGroupName=self.identity.group,
                InstanceId=self.identity.instance_id,
            )
        except ClientError as error:
            if error_code(error) == NOT_WAITING:
                return False
            structlog.get_logger().warning("a heartbeat got lost", hook=hook, error=str(error))
        except BotoCoreError as error:
            structlog.get_logger().warning("a heartbeat got lost", hook=hook, error=str(error))
        return True

    async def _complete(self, hook: str | None, attempts: int | None) -> None:
        if not (hook and self.identity.group):
            return
        pause, tries = 1.0, 0
        while not await self._completed(hook):
            tries += 1
            if tries == attempts:
                return
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)

    async def _completed(self, hook: str) -> bool:
        log = structlog.get_logger().bind(hook=hook, group=self.identity.group)
        try:
            await asyncio.to_thread(
                self.client.complete_lifecycle_action,
                LifecycleHookName=hook,
                AutoScalingGroupName=self.identity.group or "",
                InstanceId=self.identity.instance_id,
                LifecycleActionResult=CONTINUE,
            )
        except ClientError as error:
            if error_code(error) != NOT_WAITING:
                log.warning("the hook is not completed yet", error=str(error))
                return False
            log.info("no hook to complete", answer=str(error))
        except BotoCoreError as error:
            log.warning("the hook is not completed yet", error=str(error))
            return False
        else:
            log.info("hook completed")
        return True
