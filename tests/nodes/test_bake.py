"""An image that bake.yml makes of a host: what is in it, what is not, and what its hosts have left to do."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from inference_service import contract
from tests.aws.first_boot.cases import SETTINGS
from tests.nodes.conftest import Instance, Launch, base_image, bundle_version
from tests.nodes.test_first_boot_on_a_host import lives, recap
from tests.scratch_checkout import eventually

pytestmark = [pytest.mark.nodes, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def image(launch: Launch) -> Path:
    """What baking changed of the image before."""
    builder = launch(contract.ROLE_NODE)
    said = builder.bake()
    assert f"warmfleet-image: baked {bundle_version()}" in said, said[-3000:]
    return builder.host.container.upper


@pytest.fixture(scope="module")
def baked(launch: Launch, image: Path) -> Instance:
    """A host of that image, before its first boot."""
    return launch(contract.ROLE_NODE, f"{image}:{base_image()}")


def test_an_image_holds_the_release_and_its_units_and_nothing_of_the_host_that_it_was_made_on(image: Path) -> None:
    assert (
        image / "etc/warmfleet/configured"
    ).read_text() == f"node llama.cpp {bundle_version()} {SETTINGS.connection}\n"
    assert (image / "etc/systemd/system/multi-user.target.wants/warmfleet-node.service").is_symlink()
    assert [each.name for each in (image / "opt/warmfleet/releases").iterdir()] == [f"{bundle_version()}-node"]
    assert sorted(each.name for each in (image / "opt/warmfleet").iterdir()) == ["bundles", "releases"]
    assert (image / "etc/machine-id").read_text() == ""
    files = {str(each.relative_to(image)) for each in image.rglob("*") if each.is_file()}
    own = ("etc/ssh/ssh_host", "etc/warmfleet/service.env", "var/lib/cloud", "var/log/", "var/lib/warmfleet/")
    assert [each for each in files if each.startswith(own)] == []
    assert [each for each in files if each.startswith("var/lib/systemd/") and each.endswith(("seed", "secret"))] == []


def test_a_first_boot_of_it_fetches_nothing_applies_no_playbook_and_serves(baked: Instance) -> None:
    said = baked.first_boot()
    assert "PLAY" not in said
    assert lives(baked, contract.ROLE_NODE) == 200
    assert 0 < eventually(lambda: boot_seconds(baked), "the seconds of the boot", seconds=30) < 200
    assert (baked.host.root / "etc/machine-id").read_text().strip() != ""


def boot_seconds(node: Instance) -> float | None:
    """As the node's report has it, once the node has learned from metadata who it is."""
    with pytest.raises(urllib.error.HTTPError) as answer:  # no model is active
        urllib.request.urlopen(f"http://{node.address}:{contract.NODE_PORT}{contract.PATH_READY}", timeout=5)
    with answer.value as report:
        seconds: float | None = json.loads(report.read())["warm_up_seconds"][contract.PHASE_BOOT]
    return seconds


def test_the_playbook_finds_nothing_to_do_on_it(baked: Instance) -> None:
    counts = recap(baked.play())
    assert (counts["changed"], counts["failed"]) == (0, 0)


def test_a_host_in_service_is_not_baked_and_keeps_its_identity(baked: Instance) -> None:
    before = (baked.host.root / "etc/machine-id").read_text()
    said = baked.play(playbook="bake.yml")
    assert recap(said)["failed"] == 1
    assert "is in service" in " ".join(said.split())
    assert (baked.host.root / "etc/machine-id").read_text() == before


def test_a_builder_that_cannot_bake_says_so_last_and_powers_off(launch: Launch) -> None:
    builder = launch(contract.ROLE_NODE)
    builder.host.write("/etc/warmfleet/service.env", "")
    assert f"warmfleet-image: failed {bundle_version()}" in builder.bake()
