"""What S3 does with objects on AWS. Each probe fails where moto does not do it."""

import base64
import contextlib
import hashlib
import threading
from typing import Any

from botocore.exceptions import ClientError
from moto.s3.models import FakeKey, S3Backend
from world import world

OTHER_SHA256 = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
OTHER_CRC32 = "AAAAAA=="
SHA256 = base64.b64encode(hashlib.sha256(b"body").digest()).decode()


def a_wrong_sha256_is_refused() -> None:
    _refused(_bucket().put_object, "BadDigest", Bucket="models", Key="k", Body=b"body", ChecksumSHA256=OTHER_SHA256)


def a_wrong_crc32_is_refused() -> None:
    _refused(_bucket().put_object, "BadDigest", Bucket="models", Key="k", Body=b"body", ChecksumCRC32=OTHER_CRC32)


def a_wrong_sha256_of_a_part_is_refused() -> None:
    s3 = _bucket()
    upload = _upload(s3)
    _refused(s3.upload_part, "BadDigest", **upload, PartNumber=1, Body=b"body", ChecksumSHA256=OTHER_SHA256)


def a_checksum_that_is_none_is_refused() -> None:
    _refused(_bucket().put_object, "InvalidRequest", Bucket="models", Key="k", Body=b"body", ChecksumSHA256="bad")


def a_checksum_is_kept_without_its_algorithm_being_named() -> None:
    s3 = _bucket()
    s3.put_object(Bucket="models", Key="k", Body=b"body", ChecksumSHA256=SHA256)
    assert s3.head_object(Bucket="models", Key="k", ChecksumMode="ENABLED").get("ChecksumSHA256") == SHA256


def the_checksum_of_an_upload_in_parts_ends_with_their_number() -> None:
    s3 = _bucket()
    upload = _upload(s3)
    tag = s3.upload_part(**upload, PartNumber=1, Body=b"body", ChecksumSHA256=SHA256)["ETag"]
    parts = [{"PartNumber": 1, "ETag": tag, "ChecksumSHA256": SHA256}]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    found = s3.head_object(Bucket="models", Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"]
    assert found.endswith("-1")


def a_part_with_another_kind_of_checksum_than_its_upload_is_refused() -> None:
    s3 = _bucket()
    _refused(s3.upload_part, "InvalidRequest", **_upload(s3), PartNumber=1, Body=b"body", ChecksumAlgorithm="CRC32")


def an_upload_in_parts_does_not_end_without_their_checksums() -> None:
    s3 = _bucket()
    upload = _upload(s3)
    tag = s3.upload_part(**upload, PartNumber=1, Body=b"body", ChecksumSHA256=SHA256)["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    _refused(s3.complete_multipart_upload, "InvalidRequest", **upload, MultipartUpload=parts)


def a_range_is_read_without_the_whole_object() -> None:
    s3, value = _bucket(), FakeKey.value
    s3.put_object(Bucket="models", Key="k", Body=b"0123456789")
    whole: list[bool] = []
    FakeKey.value = property(lambda key: whole.append(True) or value.fget(key))  # type: ignore[func-returns-value]
    try:
        s3.get_object(Bucket="models", Key="k", Range="bytes=1-2")["Body"].read()
    finally:
        FakeKey.value = value
    assert not whole


def of_two_conditional_writes_at_the_same_time_one_wins() -> None:
    s3, store, both, written = _bucket(), S3Backend.put_object, threading.Barrier(2), []

    def hesitant(self: Any, *args: Any, **options: Any) -> Any:
        with contextlib.suppress(threading.BrokenBarrierError):  # the other one was kept out, as it should be
            both.wait(0.5)
        return store(self, *args, **options)

    def write() -> None:
        with contextlib.suppress(ClientError):
            s3.put_object(Bucket="models", Key="k", Body=b"body", IfNoneMatch="*")
            written.append(True)

    S3Backend.put_object = hesitant
    try:
        writers = [threading.Thread(target=write) for _ in range(2)]
        for each in writers:
            each.start()
        for each in writers:
            each.join()
    finally:
        S3Backend.put_object = store
    assert len(written) == 1, f"{len(written)} have won"


def _bucket() -> Any:
    s3 = world.client("s3")
    s3.create_bucket(Bucket="models")
    return s3


def _upload(s3: Any) -> dict[str, str]:
    made = s3.create_multipart_upload(Bucket="models", Key="k", ChecksumAlgorithm="SHA256")
    return {"Bucket": "models", "Key": "k", "UploadId": made["UploadId"]}


def _refused(call: Any, code: str, **arguments: Any) -> None:
    found = "accepted"
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["Error"]["Code"]
    assert found == code, found


PROBES = [
    a_wrong_sha256_is_refused,
    a_wrong_crc32_is_refused,
    a_wrong_sha256_of_a_part_is_refused,
    a_checksum_that_is_none_is_refused,
    a_checksum_is_kept_without_its_algorithm_being_named,
    the_checksum_of_an_upload_in_parts_ends_with_their_number,
    a_part_with_another_kind_of_checksum_than_its_upload_is_refused,
    an_upload_in_parts_does_not_end_without_their_checksums,
    a_range_is_read_without_the_whole_object,
    of_two_conditional_writes_at_the_same_time_one_wins,
]
