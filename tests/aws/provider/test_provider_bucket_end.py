"""A bucket that gets another log while it is emptied ends all the same, unless it must not be emptied."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.aws.in_process import LocalAws, local_aws
from localcloud.provider.handlers import s3_bucket

BUCKET = "logs"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAws]:
    """A bucket that gets one more object right after it was emptied for the first time."""
    empty, late = s3_bucket.delete_versions, ["late"]

    def emptied(s3: Any, bucket: str, prefix: str, key: str | None = None) -> None:
        empty(s3, bucket, prefix, key)
        if late:
            s3.put_object(Bucket=bucket, Key=late.pop(), Body=b"")

    monkeypatch.setattr(s3_bucket, "delete_versions", emptied)
    with local_aws("127.68") as made:
        made.client("s3").create_bucket(Bucket=BUCKET)
        made.client("s3").put_object(Bucket=BUCKET, Key="early", Body=b"")
        yield made


def test_what_comes_while_a_bucket_is_emptied_is_deleted_too(aws: Any):
    s3_bucket.Bucket().delete(aws, BUCKET, {"forceDestroy": True})
    assert aws.client("s3").list_buckets()["Buckets"] == []


def test_a_bucket_that_must_not_be_emptied_stays(aws: Any):
    with pytest.raises(ClientError, match="not empty"):
        s3_bucket.Bucket().delete(aws, BUCKET, {})
    assert aws.client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"] == 1
