"""Something real for each running instance: a process, or a host."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from localcloud.admin import Admin, Instance
from localcloud.cloud_state import Problem
from localcloud.errors import UserDataError
from localcloud.problems import Problems

# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html
RUNNING, GONE = "running", "terminated"
KEEPS_DATA = ("stopping", "stopped")


class Runs(Protocol):
    """What an instance is here, from `start` to the end of `stop`."""

    def start(self) -> None:
        """Raises UserDataError when the instance does not say what to run."""

    async def stop(self, *, remove_data: bool) -> None:
        """End it in order; its log stays."""

    def hasten(self) -> None:
        """Do not wait any longer for an end in order."""

    def reboot(self) -> None:
        """What RebootInstances asks for."""


Make = Callable[[Instance], Runs | None]  # None: an instance that says nothing to run


class Supervisor:
    """Makes what runs here follow the instances that the local AWS says are running."""

    def __init__(self, admin: Admin, make: Make, problems: Problems) -> None:
        self._admin = admin
        self._make = make
        self._problems = problems
        self._instances: list[Instance] = []  # as last read
        self._running: dict[str, Runs | None] = {}
        self._reboots: dict[str, int] = {}
        self._ending: dict[str, tuple[Runs, asyncio.Task[None]]] = {}

    async def refresh(self) -> None:
        """Read all instances and follow them.

        Raises:
            AdminError: they could not be read.
        """
        self.follow(await self._admin.instances())

    def follow(self, instances: list[Instance]) -> None:
        """Start and end what runs; an end takes seconds and goes on in the background."""
        self._instances = instances
        states = {each.instance_id: each.state for each in instances}
        for instance_id in [each for each in self._running if states.get(each) != RUNNING]:
            self._end(instance_id, remove_data=states.get(instance_id, GONE) not in KEEPS_DATA)
        for instance in instances:
            if instance.state != RUNNING or instance.instance_id in self._ending:
                continue  # started again while it still stops: `_has_ended` looks again
            if instance.instance_id not in self._running:
                self._running[instance.instance_id] = self._started(instance)
                self._reboots[instance.instance_id] = instance.reboots
            elif instance.reboots != self._reboots[instance.instance_id]:
                self._reboots[instance.instance_id] = instance.reboots
                if running := self._running[instance.instance_id]:
                    running.reboot()

    async def stop(self) -> None:
        """End everything, without waiting for what takes long."""
        self.follow([])
        while self._ending:
            for runs, _ in self._ending.values():
                runs.hasten()
            await asyncio.wait([task for _, task in self._ending.values()], return_when=asyncio.FIRST_COMPLETED)

    def _started(self, instance: Instance) -> Runs | None:
        runs = self._make(instance)
        if runs is None:
            return None
        try:
            runs.start()
        except UserDataError as error:
            remedy = "correct the launch template's user data (infra/user_data.py)"
            self._problems.set(Problem(instance.instance_id, f"nothing was started: {error}", remedy))
        return runs

    def _end(self, instance_id: str, *, remove_data: bool) -> None:
        runs = self._running.pop(instance_id)
        self._reboots.pop(instance_id)
        if runs is None:
            return
        task = asyncio.create_task(runs.stop(remove_data=remove_data))
        self._ending[instance_id] = runs, task
        task.add_done_callback(lambda _: self._has_ended(instance_id))

    def _has_ended(self, instance_id: str) -> None:
        del self._ending[instance_id]
        if any(each.instance_id == instance_id and each.state == RUNNING for each in self._instances):
            self.follow(self._instances)
