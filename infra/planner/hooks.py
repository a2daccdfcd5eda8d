"""How long Auto Scaling waits for a node that says nothing on its way up, from how long warm-ups take. Pure.

The launch hook's timeout has to cover what comes before the service runs and sends heartbeats: the machine's boot and
the installation. It is never raised above what the program sets: a launch that takes longer is ended by it, so that
nothing longer would ever be measured.
"""

import math

from infra.planner.warm_up import PRIOR_COUNTS_UNTIL, WarmUpTimes

LEAST_SECONDS = 300
STEP_SECONDS = 30  # so that not every launch changes it
MARGIN = 2.0  # times the p99


def launch_seconds(times: WarmUpTimes, measured: int, failed: int, most: int) -> int:
    """The timeout for a group, `most` unless enough launches of what it launches now were `measured`, and none of late
    `failed`.
    """
    if measured < PRIOR_COUNTS_UNTIL or failed:
        return most
    wanted = STEP_SECONDS * math.ceil(MARGIN * times.quantile(0.99) / STEP_SECONDS)
    return min(most, max(LEAST_SECONDS, wanted))
