"""Which addresses a local cloud takes."""

from pathlib import Path

import pytest

from localcloud import addresses
from localcloud.addresses import candidates, claim
from localcloud.errors import LocalCloudError


def test_every_prefix_is_a_candidate_once_and_the_first_depends_on_the_root_alone(tmp_path: Path) -> None:
    listed = list(candidates(tmp_path))
    assert sorted(int(each.removeprefix("127.")) for each in listed) == list(range(16, 251))
    assert listed == list(candidates(tmp_path))
    assert len({next(candidates(tmp_path / str(number))) for number in range(20)}) > 10


def test_a_claimed_prefix_is_passed_over_until_its_holder_lets_go(tmp_path: Path) -> None:
    first = claim(tmp_path)
    second = claim(tmp_path)
    assert second.prefix != first.prefix
    first.close()
    third = claim(tmp_path)
    assert third.prefix == first.prefix
    second.close()
    third.close()


def test_when_all_are_taken_the_error_says_what_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = claim(tmp_path)
    monkeypatch.setattr(addresses, "candidates", lambda _: iter([held.prefix]))
    with pytest.raises(LocalCloudError, match=r"are taken by other local clouds.*`warmfleet down`"):
        claim(tmp_path)
    held.close()
