"""A node's download against moto's S3: complete and identical, or refused."""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from moto import mock_aws

from inference_service.artifacts import ArtifactError, ArtifactStore, VersionRef, publish
from inference_service.artifacts.errors import IntegrityError, MissingObjectError, UnknownVersionError
from inference_service.contract import MANIFEST_NAME
from inference_service.node import download, local_versions
from inference_service.node.download import FetchCancelledError, Progress, VersionFetcher
from inference_service.node.local_versions import LocalVersions

BUCKET = "models-bucket"
FILES = {"m.gguf": b"GGUF" + bytes(range(256)) * 100, "config.json": b"{}", "nested/empty.txt": b""}


class Published(NamedTuple):
    """A version in the bucket, and a node's disk."""

    store: ArtifactStore
    reference: VersionRef
    local: LocalVersions
    fetcher: VersionFetcher

    def key(self, path: str) -> str:
        return f"models/m/{self.reference.version}/{path}"

    def put(self, path: str, body: bytes) -> None:
        self.store.s3.put_object(Bucket=BUCKET, Key=self.key(path), Body=body)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Published]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setattr(download, "PART_BYTES", 4096)  # seven parts, the last one shorter
    for path, content in FILES.items():
        source = tmp_path / "source" / path
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(content)
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        store = ArtifactStore(s3, BUCKET)
        result = publish(store, "m", [tmp_path / "source"], progress=lambda _: None)
        local = LocalVersions(tmp_path / "node", "m")
        yield Published(store, VersionRef(result.version, result.manifest_sha256), local, VersionFetcher(store, local))


def ranges(published: Published) -> list[str]:
    asked: list[str] = []
    events = published.store.s3.meta.events
    events.register("before-call.s3.GetObject", lambda params, **_: asked.append(params["headers"].get("Range", "")))
    return asked


def test_a_version_arrives_whole_under_its_name(published: Published):
    fetched = published.fetcher.fetch(published.reference, progress := Progress())
    found = {
        path.relative_to(fetched.directory).as_posix(): path for path in fetched.directory.rglob("*") if path.is_file()
    }
    assert {path: found[path].read_bytes() for path in FILES} == FILES
    assert hashlib.sha256(found[MANIFEST_NAME].read_bytes()).hexdigest() == published.reference.manifest_sha256
    assert fetched.directory == published.local.complete(published.reference.version)
    total = sum(map(len, FILES.values()))
    assert (fetched.downloaded_bytes, progress.bytes) == (total, 2 * total)  # each byte received, and hashed


def test_a_complete_version_is_verified_again_and_not_downloaded_again(published: Published):
    published.fetcher.fetch(published.reference, Progress())
    asked = ranges(published)
    again = published.fetcher.fetch(published.reference, Progress())
    assert again.downloaded_bytes == 0
    assert [header for header in asked if header] == []


def test_of_a_version_damaged_on_disk_only_the_damaged_file_is_fetched(published: Published):
    directory = published.fetcher.fetch(published.reference, Progress()).directory
    (directory / "config.json").write_bytes(b"{]")
    again = published.fetcher.fetch(published.reference, Progress())
    assert again.downloaded_bytes == len(FILES["config.json"])
    assert (directory / "config.json").read_bytes() == b"{}"


def test_one_flipped_bit_is_refused_naming_file_and_both_hashes(published: Published):
    flipped = bytearray(FILES["m.gguf"])
    flipped[20_000] ^= 1
    published.put("m.gguf", bytes(flipped))
    with pytest.raises(IntegrityError) as refused:
        published.fetcher.fetch(published.reference, Progress())
    expected, found = (hashlib.sha256(content).hexdigest() for content in (FILES["m.gguf"], bytes(flipped)))
    assert all(part in str(refused.value) for part in ("m.gguf", expected, found))
    assert not published.local.complete(published.reference.version).exists()


def test_after_a_repair_only_the_bad_file_is_fetched_again(published: Published):
    published.put("config.json", b"[]")
    with pytest.raises(IntegrityError, match=r"config\.json"):
        published.fetcher.fetch(published.reference, Progress())
    published.put("config.json", b"{}")
    assert published.fetcher.fetch(published.reference, Progress()).downloaded_bytes == len(b"{}")


@pytest.mark.parametrize(
    "change", [lambda body: body[:-1], lambda body: body + b"x", lambda body: body[:100], lambda _: b""]
)
def test_a_file_of_another_size_is_refused_naming_both_sizes_and_hashes(
    published: Published, change: Callable[[bytes], bytes]
):
    published.put("m.gguf", found := change(FILES["m.gguf"]))
    with pytest.raises(IntegrityError, match=r"m\.gguf differs") as refused:
        published.fetcher.fetch(published.reference, Progress())
    for content in (found, FILES["m.gguf"]):
        assert re.search(rf"\b{len(content)} bytes.* \(?{hashlib.sha256(content).hexdigest()}", str(refused.value))


def test_a_missing_file_is_named(published: Published):
    published.store.s3.delete_object(Bucket=BUCKET, Key=published.key("m.gguf"))
    with pytest.raises(MissingObjectError, match=r"m\.gguf is in the manifest but not in the bucket"):
        published.fetcher.fetch(published.reference, Progress())


def test_a_manifest_that_is_not_the_pointers_is_refused_with_both_hashes(published: Published):
    other = VersionRef(published.reference.version, "f" * 64)
    with pytest.raises(IntegrityError, match=rf"{published.reference.manifest_sha256}.*{'f' * 64}"):
        published.fetcher.fetch(other, Progress())


def test_a_version_without_manifest_is_refused(published: Published):
    with pytest.raises(UnknownVersionError, match="half"):
        published.fetcher.fetch(VersionRef("half", "f" * 64), Progress())


def test_a_part_that_breaks_off_is_read_again(published: Published, monkeypatch: pytest.MonkeyPatch):
    broken = iter([True, True])
    original = download._Transfer._receive_range

    def fragile(self: Any, first: int, last: int) -> None:
        if next(broken, False):
            raise ConnectionResetError("line down")
        original(self, first, last)

    monkeypatch.setattr(download._Transfer, "_receive_range", fragile)
    fetched = published.fetcher.fetch(published.reference, Progress())
    assert (fetched.directory / "m.gguf").read_bytes() == FILES["m.gguf"]


def test_a_part_that_keeps_breaking_off_is_an_error_that_names_it(
    published: Published, monkeypatch: pytest.MonkeyPatch
):
    def dead(self: Any, first: int, last: int) -> None:
        raise ConnectionResetError("line down")

    monkeypatch.setattr(download._Transfer, "_receive_range", dead)
    with pytest.raises(ArtifactError, match=r"cannot be read: line down"):
        published.fetcher.fetch(published.reference, Progress())


def test_a_cancelled_fetch_ends_and_leaves_no_complete_version(published: Published):
    progress = Progress()
    progress.cancelled.set()
    with pytest.raises(FetchCancelledError):
        published.fetcher.fetch(published.reference, progress)
    assert not published.local.complete(published.reference.version).exists()


def test_too_small_a_disk_is_told_before_a_byte_is_fetched(published: Published, monkeypatch: pytest.MonkeyPatch):
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(local_versions.shutil, "disk_usage", lambda _: usage)
    asked = ranges(published)
    with pytest.raises(ArtifactError) as refused:
        published.fetcher.fetch(published.reference, Progress())
    needed = str(sum(map(len, FILES.values())))
    assert all(part in str(refused.value) for part in (needed, "1000", str(published.local.root), "larger volume"))
    assert [header for header in asked if header] == []


def test_old_versions_make_room_before_a_download_is_refused(published: Published, monkeypatch: pytest.MonkeyPatch):
    for name in ("old", "kept"):
        published.local.complete(name).mkdir(parents=True)
    usage = shutil.disk_usage("/")

    def free(_: Path) -> Any:
        return usage._replace(free=1000 if published.local.complete("old").exists() else 10**12)

    monkeypatch.setattr(local_versions.shutil, "disk_usage", free)
    published.fetcher.fetch(published.reference, Progress(), keep=frozenset({"kept"}))
    assert published.local.complete("kept").exists()


def test_pruning_keeps_what_it_is_told_and_nothing_else(tmp_path: Path):
    local = LocalVersions(tmp_path, "m")
    for name in ("a", "b", "c", "c.partial"):
        (local.root / name).mkdir(parents=True)
    assert local.prune(["a", "b"]) == ["c", "c.partial"]
    assert sorted(path.name for path in local.root.iterdir()) == ["a", "b"]
