"""Load balancing requests, one at a time; every change is announced to the process that balances."""

from typing import Any

from moto.elbv2.responses import ELBV2Response

from localcloud.aws import event_log
from localcloud.aws.cloud import current

# mypy: disallow-subclassing-any=False


class LocalELBv2Response(ELBV2Response):
    """moto's actions under the cloud's lock."""

    def call_action(self) -> Any:
        cloud = current()
        with cloud.lock:
            answer = super().call_action()
            if not self._get_action().startswith("Describe"):
                cloud.events.add(event_log.BALANCERS_CHANGED)
            return answer
