"""What a group did and why: the entries of DescribeScalingActivities.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_Activity.html
"""

import uuid
from datetime import datetime

from moto.core.utils import utcnow

IN_PROGRESS, HELD, SUCCESSFUL = "InProgress", "MidLifecycleAction", "Successful"
FAILED, CANCELLED = "Failed", "Cancelled"


class Activity:
    """One scaling activity; moto reads the members by name for its answer."""

    def __init__(self, group: str, description: str, cause: str) -> None:
        self.activity_id = str(uuid.uuid4())
        self.auto_scaling_group_name = group
        self.description = description
        self.cause = f"At {utcnow():%Y-%m-%dT%H:%M:%SZ} {cause}"
        self.start_time = utcnow()
        self.end_time: datetime | None = None
        self.status_code = IN_PROGRESS
        self.status_message: str | None = None
        self.progress = 0
        self.details = "{}"

    def hold(self) -> None:
        """A lifecycle hook makes it wait."""
        self.status_code, self.progress = HELD, 60

    def finish(self, status_code: str = SUCCESSFUL, message: str | None = None) -> None:
        self.status_code, self.status_message, self.end_time = status_code, message, utcnow()
        self.progress = 100
