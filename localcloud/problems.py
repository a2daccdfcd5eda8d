"""What does not work at present, for `warmfleet up` and `warmfleet status` to show."""

import structlog

from localcloud.cloud_state import Problem, write_problems
from localcloud.places import Places


class Problems:
    """Keeps `.warmfleet/problems.json` as the list of what is wrong now: one problem per resource at most."""

    def __init__(self, places: Places) -> None:
        self._path = places.problems_file
        self._present: dict[str, Problem] = {}

    def set(self, problem: Problem) -> None:
        if self._present.get(problem.resource) == problem:
            return
        structlog.get_logger().warning(problem.text, resource=problem.resource, remedy=problem.remedy)
        self._present[problem.resource] = problem
        self._write()

    def clear(self, resource: str) -> None:
        if self._present.pop(resource, None):
            structlog.get_logger().info("no longer a problem", resource=resource)
            self._write()

    def _write(self) -> None:
        try:
            write_problems(self._path, self._present.values())
        except OSError as error:  # the folder may be gone, or the disk full: no reason to stop the cloud
            structlog.get_logger().error("problems cannot be written", error=str(error))
