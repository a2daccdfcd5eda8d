"""Each control names the resource that breaks it: one that cannot fail asserts nothing."""

from collections.abc import Iterator

import pytest

from localcloud.aws.in_process import LocalAws, local_aws
from tests.audit.accounts.breaks import BREAKS
from tests.audit.controls.catalogue import CONTROLS
from tests.audit.controls.control import Control

pytestmark = pytest.mark.audit


@pytest.fixture(scope="module")
def account() -> Iterator[LocalAws]:
    """It gets worse with each test, which looks for its own resource alone."""
    with local_aws("127.80") as aws:
        yield aws


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_what_is_weak_is_named(account: LocalAws, control: Control) -> None:
    resource = BREAKS[control.id](account)
    assert resource in {each for each, wrong in control.look(account) if wrong}


def test_nothing_else_is_broken_on_purpose() -> None:
    assert BREAKS.keys() == {each.id for each in CONTROLS}
