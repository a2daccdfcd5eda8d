"""One step of time over all parts of the cloud."""

from localcloud.aws.cloud import ACCOUNT, Cloud
from localcloud.aws.defects import attempt


def tick(cloud: Cloud) -> None:
    """Let everything happen that is due by the clock."""
    # Imported late: moto reads the environment when it is imported.
    from moto.autoscaling.models import autoscaling_backends
    from moto.ec2.models import ec2_backends

    with cloud.lock:
        for ec2 in list(ec2_backends[ACCOUNT].values()):
            attempt("EC2", ec2.tick)
        for region in list(ec2_backends[ACCOUNT]):
            autoscaling_backends[ACCOUNT][region].tick()
