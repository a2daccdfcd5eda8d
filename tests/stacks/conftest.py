"""One local AWS and one run of the local stack's program for all tests that only look at it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.aws.in_process import LocalAws, local_aws
from scripts import planner_zip
from tests.stacks.program import ROOT, Built, run, stack_settings


@pytest.fixture(scope="package")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service bundle in name, which the program only uploads, and the planner's real package beside it."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "bundle.tar.gz").write_bytes(b"wheels")
    (folder / "manifest.json").write_text(json.dumps({"format": 1}))
    planner_zip.write(ROOT, folder)
    return folder


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with local_aws("127.77") as running:
        yield running


@pytest.fixture(scope="module")
def local(bundle: Path) -> Iterator[Built]:
    """The stack of Pulumi.local.yaml, built."""
    with local_aws("127.77") as running:
        yield run(running, stack_settings(ROOT / "Pulumi.local.yaml"), bundle)
