"""Fleets share a quota of vCPUs: nobody gets all of it, nothing of it stays unused, and what runs stays."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from infra.planner.quota import Use, most_by_pool, refusal

LIMIT = 64
USES = st.lists(
    st.builds(
        Use,
        pool=st.uuids().map(str),
        quota=st.just("g"),
        vcpus=st.sampled_from([4, 8, 48]),
        owned=st.integers(0, 6),
        wanted=st.integers(0, 12),
    ),
    max_size=6,
    unique_by=lambda use: use.pool,
)


def used(uses: Sequence[Use], most: dict[str, int]) -> int:
    return sum(use.vcpus * max(use.owned, min(use.wanted, most.get(use.pool, use.wanted))) for use in uses)


@given(USES)
def test_a_quota_is_not_exceeded_by_a_purchase(uses: list[Use]) -> None:
    owned = sum(use.vcpus * use.owned for use in uses)
    assert used(uses, most_by_pool(uses, {"g": LIMIT})) <= max(LIMIT, owned)


@given(USES)
def test_what_is_owned_stays_and_no_more_than_wanted_is_given(uses: list[Use]) -> None:
    most = most_by_pool(uses, {"g": LIMIT})
    assert all(use.owned <= most[use.pool] < use.wanted for use in uses if most.get(use.pool, use.wanted) != use.wanted)


@given(USES)
def test_nothing_that_somebody_lacks_stays_free(uses: list[Use]) -> None:
    most = most_by_pool(uses, {"g": LIMIT})
    free = LIMIT - used(uses, most)
    short = [use for use in uses if use.pool in most and most[use.pool] < use.wanted]
    assert all(use.vcpus > free for use in short)


@given(USES, st.randoms())
def test_the_order_of_pools_changes_nothing(uses: list[Use], random: object) -> None:
    shuffled = list(uses)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert most_by_pool(uses, {"g": LIMIT}) == most_by_pool(shuffled, {"g": LIMIT})


def test_two_fleets_get_the_same_share_of_what_they_lack() -> None:
    uses = [Use("a", "g", 4, 2, 12), Use("b", "g", 4, 0, 10)]
    assert most_by_pool(uses, {"g": 48}) == {"a": 7, "b": 5}


def test_without_a_limit_or_with_room_for_all_nothing_is_said() -> None:
    uses = [Use("a", "g", 4, 0, 8), Use("b", "g", 4, 0, 8)]
    assert most_by_pool(uses, {"g": 64}) == most_by_pool(uses, {}) == most_by_pool(uses, {"p": 1}) == {}


def test_a_refusal_says_value_limit_and_remedy() -> None:
    said = refusal(Use("llama-spot", "L-3819A6DF", 4, 2, 12), 7, 48)
    assert "12 nodes of 4 vCPUs are wanted" in said
    assert "quota L-3819A6DF of 48" in said
    assert "Service Quotas" in said
