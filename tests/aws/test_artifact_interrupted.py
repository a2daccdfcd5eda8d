"""An interrupt of a publication stays an interrupt, whatever giving up the upload says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from inference_service.artifacts import ArtifactStore, publish, upload

BUCKET = "models-bucket"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArtifactStore]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setattr(upload, "PART_BYTES", 5 * upload.MIB)
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        yield ArtifactStore(s3, BUCKET)


def test_ctrl_c_right_after_an_upload_in_parts_was_completed_is_no_s3_error(
    store: ArtifactStore, tmp_path: Path
) -> None:
    """There is no upload to give up any more: S3 answers NoSuchUpload."""
    weights = tmp_path / "m.gguf"
    weights.write_bytes(b"GGUF" + bytes(6 * upload.MIB))

    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    store.s3.meta.events.register("after-call.s3.CompleteMultipartUpload", interrupt)
    with pytest.raises(KeyboardInterrupt):
        publish(store, "m", [weights], progress=lambda _: None)
