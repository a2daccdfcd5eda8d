"""Each control passes a small account that is as the standards want it, and looks at something there."""

from collections.abc import Iterator

import pytest

from localcloud.aws.in_process import LocalAws, local_aws
from tests.audit.accounts import sound
from tests.audit.controls.catalogue import CONTROLS
from tests.audit.controls.control import Control

pytestmark = pytest.mark.audit
NOT_KEPT = {"CIS 3.1.2"}  # moto forgets MFADelete: docs/fidelity.md


@pytest.fixture(scope="module")
def account() -> Iterator[LocalAws]:
    with local_aws("127.81") as aws:
        sound.build(aws)
        yield aws


@pytest.mark.parametrize("control", [each for each in CONTROLS if each.id not in NOT_KEPT], ids=str)
def test_what_is_sound_passes(account: LocalAws, control: Control) -> None:
    seen = list(control.look(account))
    assert seen
    assert [each for each in seen if each[1]] == []


@pytest.mark.parametrize("control", [each for each in CONTROLS if each.id in NOT_KEPT], ids=str)
def test_what_moto_does_not_keep_is_still_not_kept(account: LocalAws, control: Control) -> None:
    assert all(wrong for _, wrong in control.look(account))
