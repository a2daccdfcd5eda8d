"""The maximum instance lifetime: kept and shown. No instance is replaced for its age here.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-max-instance-lifetime.html
"""

from localcloud.aws.autoscaling.errors import ValidationError

SHORTEST_SECONDS, LONGEST_SECONDS = 86_400, 31_536_000


def checked_lifetime(seconds: int | None) -> int | None:
    """None for 0, which removes it. Raises ValidationError for what AWS refuses: less than a day, more than a year."""
    if seconds and not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise ValidationError(
            f"MaxInstanceLifetime {seconds} must be 0 or between {SHORTEST_SECONDS} and {LONGEST_SECONDS} seconds"
        )
    return seconds or None
