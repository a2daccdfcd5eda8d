"""One cloud, one instance and one bucket for all tests of a file."""

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference_service import contract
from infra.stack import BUNDLE_FOLDER
from infra.user_data import Boot
from infra.variables import gateway_variables
from localcloud.aws.in_process import LocalAws, local_aws
from tests.aws.first_boot.cases import OBJECTS, SETTINGS
from tests.aws.first_boot.door import Door
from tests.aws.first_boot.machine import BUCKET, PLACES, Machine, launched, upload


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with local_aws("127.61") as served:
        served.client("s3").create_bucket(Bucket=BUCKET)
        yield served


@pytest.fixture(scope="module")
def door(aws: LocalAws) -> Iterator[Door]:
    door = Door(aws.url)
    yield door
    door.close()


@pytest.fixture(scope="module")
def boot(aws: LocalAws) -> Boot:
    """Of a gateway, with the bundle that `make bundle` built in the bucket."""
    objects = {name: (BUNDLE_FOLDER / name).read_bytes() for name in OBJECTS}
    version = hashlib.sha256(objects["manifest.json"]).hexdigest()
    upload(aws, version, objects)
    variables = gateway_variables(SETTINGS, PLACES, version)
    return Boot(contract.ROLE_GATEWAY, variables)


@pytest.fixture(scope="module")
def machine(aws: LocalAws, door: Door, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    made = launched(aws, door.open(), tmp_path_factory.mktemp("machine"))
    made.prepare()
    return made


@pytest.fixture
def fresh(machine: Machine, tmp_path: Path) -> Machine:
    """The same instance, before any boot."""
    made = dataclasses.replace(machine, root=tmp_path)
    made.prepare()
    return made
