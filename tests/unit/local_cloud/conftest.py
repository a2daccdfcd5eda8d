"""For the local cloud: an AWS stand-in in the test's process, and real daemons made of stand-in processes."""

import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import aiohttp
import pytest

from localcloud import control
from localcloud.addresses import AddressClaim, claim
from localcloud.admin import Admin
from localcloud.cloud_state import CloudState

STAND_INS = Path(__file__).parent / "stand_ins"
sys.path.insert(0, str(STAND_INS))

from local_cloud_making import serving  # noqa: E402
from stand_in_aws import StandInAws  # noqa: E402

MODULES = control.Modules("stand_in_aws", "stand_in_provider", "stand_in_service.{role}")


@dataclass
class Cloud:
    """A daemon with stand-ins for the processes that it starts, in a checkout of its own."""

    root: Path
    environ: dict[str, str]
    reports: list[str] = field(default_factory=list)

    def start(self, **more: Any) -> CloudState:
        environ = self.environ | more.pop("environ", {})
        return control.start(self.root, report=self.reports.append, modules=MODULES, environ=environ, **more)

    def stop(self) -> None:
        control.stop(self.root, report=self.reports.append)

    def set_instances(self, instances: list[dict[str, Any]]) -> None:
        state = control.running(self.root)
        assert state
        body = json.dumps(instances).encode()
        with urlopen(Request(f"{state.endpoint_url}/_test/instances", body), timeout=5):
            pass

    def services(self, number: int = 1) -> list[dict[str, Any]]:
        """What the starts of one instance's service wrote down, oldest first."""
        folder = self.root / ".warmfleet" / "instances" / f"i-{number:017x}" / "data"
        return [json.loads(each.read_text()) for each in sorted(folder.glob("start-*.json"))]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    path = os.pathsep.join([str(STAND_INS), os.environ.get("PYTHONPATH", "")])
    made = Cloud(tmp_path / "checkout", dict(os.environ) | {"PYTHONPATH": path})
    made.root.mkdir()
    yield made
    made.stop()


@pytest.fixture
def addresses(tmp_path: Path) -> Iterator[AddressClaim]:
    """Addresses that no other test uses meanwhile."""
    claimed = claim(tmp_path)
    yield claimed
    claimed.close()


@pytest.fixture
async def aws(addresses: AddressClaim) -> AsyncIterator[Any]:
    """A StandInAws in this process, with its `url` and an `admin` that talks to it."""
    made = StandInAws()
    async with serving(made.app(), f"{addresses.prefix}.0.1") as port, aiohttp.ClientSession() as http:
        made.url = f"http://{addresses.prefix}.0.1:{port}"
        made.admin = Admin(http, made.url)
        yield made
