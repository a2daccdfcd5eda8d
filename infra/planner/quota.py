"""A quota of vCPUs that several fleets share. Pure.

AWS limits the vCPUs that run in an account and a region by market and family of types, whichever group they belong to
(https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html). Left to themselves, whoever asks first
gets all of them, and the others get launches that fail.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Use:
    """One pool under a quota: the replicas that there are and that are wanted, and the vCPUs of one."""

    pool: str
    quota: str
    vcpus: int
    owned: int
    wanted: int

    @property
    def lacks(self) -> int:
        return max(0, self.wanted - self.owned)


def most_by_pool(uses: Sequence[Use], limits: Mapping[str, int]) -> dict[str, int]:
    """The most replicas of each pool that cannot have all that it wants. `limits`: vCPUs by quota, if it has one.

    What is owned stays. Of what is free each pool gets the same share of what it lacks, and then, one by one, those get
    another replica that are furthest below their share. The order of `uses` does not matter.
    """
    found: dict[str, int] = {}
    for quota, limit in limits.items():
        under = sorted((use for use in uses if use.quota == quota), key=lambda use: use.pool)
        free = max(0, limit - sum(use.owned * use.vcpus for use in under))
        lacking = [use for use in under if use.lacks]
        if sum(use.lacks * use.vcpus for use in lacking) > free:
            found |= _shared(lacking, free)
    return found


def _shared(lacking: Sequence[Use], free: int) -> dict[str, int]:
    share = free / sum(use.lacks * use.vcpus for use in lacking)
    given = {use.pool: int(share * use.lacks) for use in lacking}
    free -= sum(given[use.pool] * use.vcpus for use in lacking)
    while fitting := [use for use in lacking if use.vcpus <= free and given[use.pool] < use.lacks]:
        furthest = min(fitting, key=lambda use: (given[use.pool] - share * use.lacks, use.pool))
        given[furthest.pool] += 1
        free -= furthest.vcpus
    return {use.pool: use.owned + given[use.pool] for use in lacking}


def refusal(use: Use, most: int, limit: int) -> str:
    """What a person is told of a pool that may not have all that it wants."""
    return (
        f"{use.pool}: {use.wanted} nodes of {use.vcpus} vCPUs are wanted, the quota {use.quota} of {limit}, which "
        f"all fleets share, has room for {most}; ask for a higher one in Service Quotas"
    )
