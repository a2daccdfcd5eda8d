"""Why instances are ended, in the words of Auto Scaling's activities.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-verify-scaling-activity.html
"""

_OUT = "an instance was taken out of service in response to "
SCALE_IN = f"{_OUT}a difference between desired and actual capacity, shrinking the capacity."
HEALTH_CHECK = f"{_OUT}an EC2 health check indicating it has been terminated or stopped."
USER_REQUEST = f"{_OUT}a user request."
ABANDONED = f"{_OUT}a lifecycle action that was abandoned."
SPOT_INTERRUPTION = f"{_OUT}an EC2 Spot interruption notice."
REBALANCE = f"{_OUT}an EC2 instance rebalance recommendation."
REFRESH = f"{_OUT}an instance refresh."
GROUP_DELETED = f"{_OUT}the deletion of the group with force."


def abandoned(hook: str, timed_out: bool) -> str:
    """The status message of a launch that its hook did not let through."""
    how = "was abandoned: Heartbeat Timeout" if timed_out else "was completed with ABANDON Result"
    return f"Instance failed to complete user's Lifecycle Action: Lifecycle Action '{hook}' {how}"
