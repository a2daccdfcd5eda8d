"""One step of time over all parts of the cloud."""

from localcloud.aws.cloud import Cloud


def tick(cloud: Cloud) -> None:
    """Let everything happen that is due by the clock."""
    with cloud.lock:
        pass
