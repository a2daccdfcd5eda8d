"""Manifest and pointer: pure documents."""

import itertools
import json

import pytest

from inference_service.artifacts import FileEntry, Manifest, Pointer, VersionRef, content_version
from inference_service.artifacts import manifest as manifests
from inference_service.artifacts import pointer as pointers
from inference_service.artifacts.errors import ArtifactError, InvalidDocumentError

A = FileEntry("a.gguf", 3, "a" * 64)
B = FileEntry("sub/b.json", 0, "b" * 64)


def test_a_manifest_has_the_same_bytes_whatever_the_order_of_its_files():
    assert Manifest("m", "v", (A, B)).to_json() == Manifest("m", "v", (B, A)).to_json()
    assert content_version([A, B]) == content_version([B, A])


@pytest.mark.parametrize(
    "other", [FileEntry("x.gguf", 3, "a" * 64), FileEntry("a.gguf", 4, "a" * 64), FileEntry("a.gguf", 3, "c" * 64)]
)
def test_the_version_follows_path_size_and_hash(other: FileEntry):
    assert content_version([A, B]) != content_version([other, B])


def test_a_manifest_survives_being_written_and_read():
    manifest = Manifest("smollm2", "v1", (B, A))
    assert manifests.parse(manifest.to_json()) == manifest


@pytest.mark.parametrize("path", ["../escape", "/etc/passwd", "a/../../b", "a//b", "./a", ".", "", "manifest.json"])
def test_a_manifest_cannot_write_outside_its_directory(path: str):
    raw = json.loads(Manifest("m", "v", (A,)).to_json())
    raw["files"][0]["path"] = path
    with pytest.raises(InvalidDocumentError, match="path"):
        manifests.parse(json.dumps(raw).encode())


@pytest.mark.parametrize(
    ("field", "value"), [("bytes", -1), ("bytes", "3"), ("bytes", True), ("sha256", "A" * 64), ("sha256", "ab")]
)
def test_a_field_of_the_wrong_kind_is_named(field: str, value: object):
    raw = json.loads(Manifest("m", "v", (A,)).to_json())
    raw["files"][0][field] = value
    with pytest.raises(InvalidDocumentError, match=field):
        manifests.parse(json.dumps(raw).encode())


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"format": 2}', b"\xff", b'{"format":1,"model":"m","version":"v","files":[]}']
)
def test_what_is_no_manifest_is_refused(raw: bytes):
    with pytest.raises(InvalidDocumentError, match="manifest"):
        manifests.parse(raw)


@pytest.mark.parametrize("name", ["", "../m", "a/b", ".hidden", "a b", "x" * 129])
def test_a_name_that_would_leave_its_prefix_is_refused(name: str):
    with pytest.raises(InvalidDocumentError, match="model"):
        manifests.check_name("model", name)


ONE, TWO, THREE = (VersionRef(f"v{number}", str(number) * 64) for number in (1, 2, 3))


def test_activation_keeps_the_version_served_so_far_as_the_previous_one():
    assert Pointer(ONE).activated(TWO) == Pointer(TWO, previous=ONE)


def test_activating_the_current_version_keeps_the_way_back():
    pointer = Pointer(TWO, previous=ONE)
    assert pointer.activated(TWO) == pointer


def test_rolling_back_twice_returns_to_where_it_began():
    pointer = Pointer(TWO, previous=ONE, candidate=THREE, wave_percent=10)
    assert pointer.rolled_back() == Pointer(ONE, previous=TWO)
    assert pointer.rolled_back().rolled_back() == Pointer(TWO, previous=ONE)


def test_the_first_version_has_nothing_to_go_back_to():
    with pytest.raises(ArtifactError, match="v1"):
        Pointer(ONE).rolled_back()


def test_a_growing_wave_only_adds_nodes():
    nodes = [f"i-{number:017x}" for number in range(200)]
    waves = [
        {node for node in nodes if Pointer(ONE, None, TWO, percent).version_for(node) == TWO} for percent in range(101)
    ]
    assert all(smaller <= larger for smaller, larger in itertools.pairwise(waves))
    assert waves[0] == set()
    assert 0.3 < len(waves[50]) / len(nodes) < 0.7
    assert waves[100] == set(nodes)


def test_a_pointer_survives_being_written_and_read():
    pointer = Pointer(TWO, previous=ONE, candidate=THREE, wave_percent=25)
    assert pointers.parse(pointer.to_json()) == pointer


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"current":null,"previous":null,"candidate":null,"wave_percent":0}'])
def test_what_is_no_pointer_is_refused(raw: bytes):
    with pytest.raises(InvalidDocumentError, match="pointer"):
        pointers.parse(raw)
