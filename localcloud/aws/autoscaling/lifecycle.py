"""States of a group's instances.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
"""

PENDING, PENDING_WAIT, PENDING_PROCEED = "Pending", "Pending:Wait", "Pending:Proceed"
IN_SERVICE = "InService"
TERMINATING, TERMINATING_WAIT, TERMINATING_PROCEED = "Terminating", "Terminating:Wait", "Terminating:Proceed"
TERMINATED = "Terminated"

COMING = (PENDING, PENDING_WAIT, PENDING_PROCEED)
COUNTED = (*COMING, IN_SERVICE)  # these make up the group's capacity
GOING = (TERMINATING, TERMINATING_WAIT, TERMINATING_PROCEED)


def target_state(state: str) -> str:
    """Where an instance is being brought to, as its metadata names it.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html
    """
    return IN_SERVICE if state in COUNTED else TERMINATED
