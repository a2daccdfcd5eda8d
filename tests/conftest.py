"""For every test: no AWS account, no Pulumi backend and no address outside this machine can be reached."""

import os
import runpy
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

GUARD = Path(__file__).parent / "network_guard"
REFUSALS = Path(tempfile.mkdtemp(prefix="warmfleet-guard-")) / "refused.log"


def pytest_configure() -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "PULUMI_", "WARMFLEET_"))]:
        del os.environ[name]
    nowhere = str(REFUSALS.parent / "no-such-file")
    os.environ |= {
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        "WARMFLEET_NETWORK_GUARD_LOG": str(REFUSALS),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(GUARD), os.environ.get("PYTHONPATH")])),
    }
    runpy.run_path(str(GUARD / "sitecustomize.py"))
    # A run in the background inherits that Ctrl-C is ignored, and so would every process that a test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    shutil.rmtree(REFUSALS.parent, ignore_errors=True)


@pytest.fixture(autouse=True)
def _nothing_left_the_machine() -> object:
    """Rule: no test, and no Python process that a test starts, connects to anything but loopback."""
    before = REFUSALS.read_text() if REFUSALS.exists() else ""
    yield
    after = REFUSALS.read_text() if REFUSALS.exists() else ""
    assert after == before, after[len(before) :]
