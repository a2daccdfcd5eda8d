"""One real process for each running instance."""

import asyncio

import structlog

from inference_service import contract
from localcloud.admin import Admin, Instance
from localcloud.cloud_state import Problem
from localcloud.errors import UserDataError
from localcloud.problems import Problems
from localcloud.service_process import Machine, ServiceProcess

# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html
RUNNING, GONE = "running", "terminated"
KEEPS_DATA = ("stopping", "stopped")
ROLES = (contract.ROLE_NODE, contract.ROLE_GATEWAY)


class Supervisor:
    """Makes the processes here follow the instances that the local AWS says are running."""

    def __init__(self, admin: Admin, machine: Machine, problems: Problems) -> None:
        self._admin = admin
        self._machine = machine
        self._problems = problems
        self._services: dict[str, ServiceProcess | None] = {}  # None: an instance that says nothing to run
        self._ending: set[asyncio.Task[None]] = set()

    async def refresh(self) -> None:
        """Read all instances and follow them.

        Raises:
            AdminError: they could not be read.
        """
        self.follow(await self._admin.instances())

    def follow(self, instances: list[Instance]) -> None:
        """Start and end processes; an end takes seconds and goes on in the background."""
        states = {each.instance_id: each.state for each in instances}
        for instance_id in [each for each in self._services if states.get(each) != RUNNING]:
            self._end(instance_id, remove_data=states.get(instance_id, GONE) not in KEEPS_DATA)
        for instance in instances:
            if instance.state == RUNNING and instance.instance_id not in self._services:
                self._services[instance.instance_id] = self._started(instance)

    async def stop(self) -> None:
        """End every process."""
        self.follow([])
        while self._ending:
            await asyncio.wait(self._ending)

    def _started(self, instance: Instance) -> ServiceProcess | None:
        role = instance.tags.get(contract.TAG_ROLE)
        if role not in ROLES:
            structlog.get_logger().info("instance without a role runs nothing", instance=instance.instance_id, tag=role)
            return None
        service = ServiceProcess(self._machine, instance, self._problems)
        try:
            service.start()
        except UserDataError as error:
            remedy = "correct the launch template's user data (infra/user_data.py)"
            self._problems.set(Problem(instance.instance_id, f"nothing was started: {error}", remedy))
        return service

    def _end(self, instance_id: str, *, remove_data: bool) -> None:
        service = self._services.pop(instance_id)
        if service is None:
            return
        task = asyncio.create_task(service.stop(remove_data=remove_data))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
