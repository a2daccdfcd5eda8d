"""Publishing, activating and rolling back against moto's S3."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from inference_service.artifacts import (
    ArtifactError,
    ArtifactStore,
    Pointer,
    PublishProgress,
    VersionRef,
    activate,
    publish,
    rollback,
    upload,
)
from inference_service.artifacts.errors import (
    InvalidDocumentError,
    PointerChangedError,
    UnknownVersionError,
    UnpublishableError,
    VersionExistsError,
)

BUCKET = "models-bucket"
GGUF = b"GGUF"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArtifactStore]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        yield ArtifactStore(s3, BUCKET)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(GGUF + b"first")
    return path


def quiet(_: PublishProgress) -> None:
    pass


def keys(store: ArtifactStore) -> set[str]:
    return {item["Key"] for item in store.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])}


def test_the_manifest_is_written_last(store: ArtifactStore, weights: Path):
    written: list[str] = []
    store.s3.meta.events.register("before-call.s3.PutObject", lambda params, **_: written.append(params["url_path"]))
    result = publish(store, "m", [weights], progress=quiet)
    assert [path.rsplit("/", 1)[1] for path in written] == ["m.gguf", "manifest.json"]
    assert store.manifest("m", result.version).files[0].sha256 == hashlib.sha256(GGUF + b"first").hexdigest()
    assert store.manifest_sha256("m", result.version) == result.manifest_sha256


def test_publishing_the_same_bytes_again_changes_nothing(store: ArtifactStore, weights: Path):
    first = publish(store, "m", [weights], progress=quiet)
    calls: list[str] = []
    store.s3.meta.events.register("before-call.s3.PutObject", lambda params, **_: calls.append(params["url_path"]))
    again = publish(store, "m", [weights], progress=quiet)
    assert (first.created, again.created) == (True, False)
    assert (again.version, again.manifest_sha256) == (first.version, first.manifest_sha256)
    assert calls == []


def test_a_version_is_never_overwritten(store: ArtifactStore, weights: Path):
    publish(store, "m", [weights], version="v1", progress=quiet)
    weights.write_bytes(GGUF + b"second")
    with pytest.raises(VersionExistsError, match="v1"):
        publish(store, "m", [weights], version="v1", progress=quiet)
    body = store.s3.get_object(Bucket=BUCKET, Key="models/m/v1/m.gguf")["Body"].read()
    assert body == GGUF + b"first"


def test_of_two_publishers_at_once_one_wins_and_the_other_is_told(store: ArtifactStore, weights: Path):
    first = publish(store, "m", [weights], progress=quiet)
    with pytest.raises(VersionExistsError):
        store.put_manifest(store.manifest("m", first.version))


def test_ctrl_c_leaves_no_version_and_the_next_run_sends_only_the_rest(store: ArtifactStore, tmp_path: Path):
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(GGUF + name.encode())

    def interrupt(progress: PublishProgress) -> None:
        if progress.phase == "upload" and progress.path == "b.gguf":
            raise KeyboardInterrupt

    paths = [tmp_path / "a.gguf", tmp_path / "b.gguf"]
    with pytest.raises(KeyboardInterrupt):
        publish(store, "m", paths, progress=interrupt)
    assert store.versions("m") == []
    sent: list[str] = []
    store.s3.meta.events.register("before-call.s3.PutObject", lambda params, **_: sent.append(params["url_path"]))
    publish(store, "m", paths, progress=quiet)
    assert not any(path.endswith("a.gguf") for path in sent)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """S3 takes parts from 5 MiB; the product's are larger."""
    monkeypatch.setattr(upload, "PART_BYTES", 5 * upload.MIB)
    return 5 * upload.MIB


def test_a_large_file_goes_in_parts_and_arrives_whole(store: ArtifactStore, weights: Path, small_parts: int):
    content = GGUF + bytes(range(256)) * (small_parts // 100)
    weights.write_bytes(content)
    seen: list[PublishProgress] = []
    result = publish(store, "m", [weights], progress=seen.append)
    key = f"models/m/{result.version}/m.gguf"
    assert store.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == content
    assert store.s3.head_object(Bucket=BUCKET, Key=key)["ETag"].strip('"').endswith("-3")
    assert [step.done_bytes for step in seen if step.phase == "upload"][-1] == len(content) == seen[-1].total_bytes
    assert publish(store, "m", [weights], progress=quiet).created is False


def test_a_failed_upload_in_parts_leaves_none_of_them(store: ArtifactStore, weights: Path, small_parts: int):
    weights.write_bytes(GGUF + b"x" * (2 * small_parts))

    def fail(params: dict[str, Any], **_: Any) -> None:
        if params["query_string"].get("partNumber") == 2:
            raise OSError("the line is dead")

    store.s3.meta.events.register("before-call.s3.UploadPart", fail)
    with pytest.raises(OSError, match="the line is dead"):
        publish(store, "m", [weights], progress=quiet)
    assert "Uploads" not in store.s3.list_multipart_uploads(Bucket=BUCKET)
    assert keys(store) == set()


@pytest.mark.parametrize("large", [False, True])
def test_a_file_that_changes_meanwhile_is_not_published(
    store: ArtifactStore, weights: Path, small_parts: int, large: bool
):
    size = 2 * small_parts if large else 100
    weights.write_bytes(GGUF + b"x" * size)

    def change(progress: PublishProgress) -> None:
        if progress.phase == "hash" and progress.done_bytes == progress.total_bytes:
            weights.write_bytes(GGUF + b"y" * size)

    with pytest.raises(UnpublishableError, match="changed while it was being published"):
        publish(store, "m", [weights], progress=change)
    assert keys(store) == set()
    assert "Uploads" not in store.s3.list_multipart_uploads(Bucket=BUCKET)


def test_publishing_again_puts_back_what_was_altered_in_the_bucket(store: ArtifactStore, weights: Path):
    result = publish(store, "m", [weights], progress=quiet)
    key = f"models/m/{result.version}/m.gguf"
    store.s3.put_object(Bucket=BUCKET, Key=key, Body=GGUF + b"fIrst")
    again = publish(store, "m", [weights], progress=quiet)
    assert (again.created, again.repaired) == (False, ("m.gguf",))
    assert store.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == GGUF + b"first"
    assert publish(store, "m", [weights], progress=quiet).repaired == ()


def test_an_altered_manifest_is_named_with_the_way_to_put_it_back(store: ArtifactStore, weights: Path):
    result = publish(store, "m", [weights], progress=quiet)
    key = f"models/m/{result.version}/manifest.json"
    store.s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    with pytest.raises(VersionExistsError, match=rf"delete s3://{BUCKET}/{key} and publish again"):
        publish(store, "m", [weights], progress=quiet)
    with pytest.raises(InvalidDocumentError, match=rf"s3://{BUCKET}/{key}: the manifest is not one"):
        activate(store, "m", result.version)
    assert store.read_pointer("m") is None
    store.s3.delete_object(Bucket=BUCKET, Key=key)
    assert publish(store, "m", [weights], progress=quiet).manifest_sha256 == result.manifest_sha256


def test_activate_and_roll_back_move_the_pointer(store: ArtifactStore, weights: Path):
    one = publish(store, "m", [weights], version="v1", progress=quiet)
    weights.write_bytes(GGUF + b"second")
    two = publish(store, "m", [weights], version="v2", progress=quiet)
    assert store.read_pointer("m") is None
    activate(store, "m", "v1")
    pointer = activate(store, "m", "v2")
    assert pointer.previous is not None
    assert (pointer.current.manifest_sha256, pointer.previous.manifest_sha256) == (
        two.manifest_sha256,
        one.manifest_sha256,
    )
    back = rollback(store, "m")
    read = store.read_pointer("m")
    assert read is not None
    assert read[0] == back
    assert back.current.version == "v1"
    assert (store.models(), store.versions("m")) == (["m"], ["v1", "v2"])


def test_only_a_complete_version_can_be_activated(store: ArtifactStore, weights: Path):
    publish(store, "m", [weights], version="v1", progress=quiet)
    store.s3.put_object(Bucket=BUCKET, Key="models/m/half/m.gguf", Body=b"x")
    assert store.versions("m") == ["v1"]
    with pytest.raises(UnknownVersionError, match="published: v1"):
        activate(store, "m", "half")
    assert store.read_pointer("m") is None


def test_a_pointer_changed_by_somebody_else_is_not_overwritten(store: ArtifactStore, weights: Path):
    for version in ("v1", "v2"):
        weights.write_bytes(GGUF + version.encode())
        publish(store, "m", [weights], version=version, progress=quiet)
    activate(store, "m", "v1")
    read = store.read_pointer("m")
    assert read is not None
    mine, etag = read
    activate(store, "m", "v2")
    with pytest.raises(PointerChangedError):
        store.write_pointer("m", mine, etag)
    with pytest.raises(PointerChangedError):
        store.write_pointer("m", mine, None)


def test_a_pointer_that_has_not_changed_is_not_sent_again(store: ArtifactStore, weights: Path):
    assert store.reread_pointer("m", None) is None
    for version in ("v1", "v2"):
        weights.write_bytes(GGUF + version.encode())
        publish(store, "m", [weights], version=version, progress=quiet)
    activate(store, "m", "v1")
    answers: list[int] = []
    store.s3.meta.events.register(
        "after-call.s3.GetObject", lambda http_response, **_: answers.append(http_response.status_code)
    )
    known = store.reread_pointer("m", None)
    assert store.reread_pointer("m", known) == known
    assert answers == [200, 304]
    activate(store, "m", "v2")
    changed = store.reread_pointer("m", known)
    assert changed is not None
    assert changed[0].current.version == "v2"


def test_a_model_without_a_pointer_cannot_be_rolled_back(store: ArtifactStore):
    with pytest.raises(ArtifactError, match="no active version"):
        rollback(store, "m")


def test_a_bucket_that_is_not_there_is_named_with_the_remedy(store: ArtifactStore, weights: Path):
    lost = ArtifactStore(store.s3, "no-such-bucket")
    with pytest.raises(ArtifactError, match=r"no-such-bucket does not exist.*warmfleet up"):
        publish(lost, "m", [weights], progress=quiet)


def test_a_bucket_that_cannot_be_reached_is_one_clear_error(weights: Path):
    nowhere = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:9",  # the discard port: nobody listens
        aws_access_key_id="made-up",
        aws_secret_access_key="made-up",
        config=Config(retries={"total_max_attempts": 1}),
    )
    for call in (
        lambda store: publish(store, "m", [weights], progress=quiet),
        lambda store: activate(store, "m", "v1"),
        lambda store: store.models(),
        lambda store: store.write_pointer("m", Pointer(VersionRef("v1", "0" * 64)), None),
    ):
        with pytest.raises(ArtifactError, match=r"models-bucket.*127\.0\.0\.1:9"):
            call(ArtifactStore(nowhere, BUCKET))
