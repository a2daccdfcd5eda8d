"""What was altered in the bucket is named, with both hashes, and neither installed nor started."""

import dataclasses
import hashlib
import io
import json
import tarfile

from inference_service import contract
from infra.stack import BUNDLE_FOLDER
from infra.user_data import Boot
from tests.aws.first_boot.cases import NEEDS, OBJECTS
from tests.aws.first_boot.machine import Machine, upload

pytestmark = NEEDS


def objects_of(marks: bytes, listed: dict[str, str] | None = None) -> tuple[str, dict[str, bytes]]:
    """The real bundle with another version, and files listed that are not in it; `marks` are spaces."""
    objects = {name: (BUNDLE_FOLDER / name).read_bytes() for name in OBJECTS}
    manifest = json.loads(objects["manifest.json"])
    manifest["files"] = [*({"path": path, "sha256": text} for path, text in (listed or {}).items()), *manifest["files"]]
    objects["manifest.json"] = json.dumps(manifest).encode() + marks
    return sha256(objects["manifest.json"]), objects


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def refusal(machine: Machine, boot: Boot, version: str, objects: dict[str, bytes]) -> str:
    """What a machine says that boots with these objects; it has configured and started nothing."""
    upload(machine.aws, version, objects)
    variables = {**boot.variables, contract.VAR_SERVICE_VERSION: version}
    done = machine.boot(dataclasses.replace(boot, variables=variables))
    assert done.returncode != 0
    assert not [words for words in machine.calls() if words[1:3] == ["-m", "ansible"] or words[0] == "systemctl"]
    assert not list(machine.bundles.parent.glob("*/.*"))  # nothing half-done
    return done.stderr


def test_an_altered_manifest_is_named_with_both_hashes(fresh: Machine, boot: Boot) -> None:
    version, objects = objects_of(b" ")
    objects["manifest.json"] += b" "
    found = sha256(objects["manifest.json"])
    wanted = f"manifest.json is altered: its SHA-256 is {found} and should be {version};"
    assert wanted in refusal(fresh, boot, version, objects)


def test_an_altered_archive_is_named_with_both_hashes(fresh: Machine, boot: Boot) -> None:
    version, objects = objects_of(b"  ")
    right = sha256(objects["bundle.tar.gz"])
    objects["bundle.tar.gz"] += b" "
    wanted = f"bundle.tar.gz is altered: its SHA-256 is {sha256(objects['bundle.tar.gz'])} and should be {right};"
    assert wanted in refusal(fresh, boot, version, objects)


def test_a_file_that_differs_from_the_manifest_is_named_with_both_hashes(fresh: Machine, boot: Boot) -> None:
    files = json.loads((BUNDLE_FOLDER / "manifest.json").read_text())["files"]
    (right,) = (file["sha256"] for file in files if file["path"] == "requirements/gateway.txt")
    version, objects = objects_of(b"", {"requirements/gateway.txt": "0" * 64})
    wanted = f"requirements/gateway.txt is altered: its SHA-256 is {right} and should be {'0' * 64};"
    assert wanted in refusal(fresh, boot, version, objects)


def test_a_file_that_the_archive_lacks_is_named(fresh: Machine, boot: Boot) -> None:
    version, objects = objects_of(b"", {"wheels/missing.whl": "0" * 64})
    assert "wheels/missing.whl is not a file in bundle.tar.gz" in refusal(fresh, boot, version, objects)


def repacked(pins: bytes, *wheels: str) -> tuple[str, dict[str, bytes]]:
    """A bundle that agrees with its manifest, of these pins for what configures it and of some real wheels."""
    archive = io.BytesIO()
    with (
        tarfile.open(BUNDLE_FOLDER / "bundle.tar.gz") as real,
        tarfile.open(fileobj=archive, mode="w:gz", compresslevel=0) as tar,
    ):
        files = {
            member.name: real.extractfile(member) for member in real if member.name.split("/")[-1].startswith(wheels)
        }
        contents = {name: file.read() for name, file in files.items() if file} | {"requirements/converge.txt": pins}
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    listed = [{"path": name, "sha256": sha256(content)} for name, content in contents.items()]
    whole = {"path": "bundle.tar.gz", "sha256": sha256(archive.getvalue())}
    manifest = json.dumps({"format": 1, "archive": whole, "files": listed}).encode()
    return sha256(manifest), {"manifest.json": manifest, "bundle.tar.gz": archive.getvalue()}


def test_a_wheel_that_is_not_the_pinned_one_is_named_with_both_hashes(fresh: Machine, boot: Boot) -> None:
    files = json.loads((BUNDLE_FOLDER / "manifest.json").read_text())["files"]
    (wheel,) = (file for file in files if file["path"].startswith("wheels/aiohappyeyeballs-"))
    release = wheel["path"].split("-")[1]
    pins = f"aiohappyeyeballs=={release} --hash=sha256:{'0' * 64}\n".encode()
    said = refusal(fresh, boot, *repacked(pins, "aiohappyeyeballs-", "pip-"))
    assert all(text in said for text in ("aiohappyeyeballs", "0" * 64, wheel["sha256"]))
