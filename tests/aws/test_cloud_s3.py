"""S3 of the local cloud keeps what the code relies on: checksums, ranges, conditions."""

import base64
import contextlib
import hashlib
import threading
import urllib.request
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError

from localcloud.aws.in_process import LocalAws, local_aws
from localcloud.aws.s3.checksums import SentChecksum, sent_checksum
from localcloud.aws.s3.models import LocalS3Backend

MIB = 1 << 20
BODY = b"weights"


def sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with local_aws("127.9") as aws:
        aws.client("s3").create_bucket(Bucket="models")
        yield aws


@pytest.fixture
def s3(aws: LocalAws) -> Any:
    s3 = aws.client("s3")
    for each in s3.list_objects_v2(Bucket="models").get("Contents", []):
        s3.delete_object(Bucket="models", Key=each["Key"])
    return s3


def refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str, str]:
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


WRONG = [("ChecksumSHA256", "SHA256", sha256(b"other")), ("ChecksumCRC32", "CRC32", crc32(b"other"))]
WRONG.append(("ChecksumSHA1", "SHA1", base64.b64encode(bytes(20)).decode()))


@pytest.mark.parametrize(("argument", "algorithm", "value"), WRONG)
def test_an_object_whose_checksum_is_wrong_is_refused_and_not_stored(
    s3: Any, argument: str, algorithm: str, value: str
):
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="models", Key="k", Body=BODY, **{argument: value})
    text = f"The {algorithm} you specified did not match the calculated checksum."
    assert refusal(refused) == (400, "BadDigest", text)
    assert s3.list_objects_v2(Bucket="models")["KeyCount"] == 0


@pytest.mark.parametrize("value", ["bad", "not base64!", base64.b64encode(b"short").decode()])
def test_a_checksum_that_is_none_is_refused(s3: Any, value: str):
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="models", Key="k", Body=BODY, ChecksumSHA256=value)
    assert refusal(refused) == (400, "InvalidRequest", "Value for x-amz-checksum-sha256 header is invalid.")


@pytest.mark.parametrize("argument", [{"ChecksumAlgorithm": "SHA256"}, {"ChecksumSHA256": sha256(BODY)}])
def test_a_right_checksum_is_kept_and_returned_to_those_who_ask(s3: Any, argument: dict[str, str]):
    assert s3.put_object(Bucket="models", Key="k", Body=BODY, **argument)["ChecksumSHA256"] == sha256(BODY)
    for ask in (s3.head_object, s3.get_object):
        assert ask(Bucket="models", Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"] == sha256(BODY)
    assert "ChecksumSHA256" not in s3.head_object(Bucket="models", Key="k")


def test_what_boto3_sends_by_itself_is_checked_too(s3: Any):
    sent: list[str] = []

    def spoil(request: Any, **_: Any) -> None:
        sent.extend(name.lower() for name in request.headers if name.lower().startswith("x-amz-checksum-"))
        request.headers[sent[0]] = crc32(b"spoiled on the way")

    s3.meta.events.register("before-send.s3.PutObject", spoil)
    try:
        with pytest.raises(ClientError, match="BadDigest"):
            s3.put_object(Bucket="models", Key="k", Body=BODY)
    finally:
        s3.meta.events.unregister("before-send.s3.PutObject", spoil)
    assert sent == ["x-amz-checksum-crc32"]


def start(s3: Any, key: str) -> dict[str, str]:
    made = s3.create_multipart_upload(Bucket="models", Key=key, ChecksumAlgorithm="SHA256")
    return {"Bucket": "models", "Key": key, "UploadId": made["UploadId"]}


def test_a_part_whose_checksum_is_wrong_is_refused_and_not_stored(s3: Any):
    upload = start(s3, "k")
    with pytest.raises(ClientError, match="BadDigest"):
        s3.upload_part(**upload, PartNumber=1, Body=BODY, ChecksumSHA256=sha256(b"other"))
    assert "Parts" not in s3.list_parts(**upload) or s3.list_parts(**upload)["Parts"] == []
    assert s3.upload_part(**upload, PartNumber=1, Body=BODY, ChecksumSHA256=sha256(BODY))["ChecksumSHA256"]


def test_the_checksum_of_an_upload_in_parts_ends_with_their_number(s3: Any):
    upload, bodies = start(s3, "k"), [b"x" * (5 * MIB), b"end"]
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumSHA256=sha256(body))["ETag"],
            "ChecksumSHA256": sha256(body),
        }
        for number, body in enumerate(bodies, start=1)
    ]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    expected = sha256(b"".join(hashlib.sha256(body).digest() for body in bodies)) + "-2"
    for ask in (s3.head_object, s3.get_object):
        answer = ask(Bucket="models", Key="k", ChecksumMode="ENABLED")
        assert (answer["ChecksumSHA256"], answer["ChecksumType"]) == (expected, "COMPOSITE")


def test_an_upload_in_parts_ends_only_with_the_checksum_of_each_part(s3: Any):
    upload = start(s3, "k")
    tag = s3.upload_part(**upload, PartNumber=1, Body=BODY, ChecksumSHA256=sha256(BODY))["ETag"]
    part = {"PartNumber": 1, "ETag": tag}
    with pytest.raises(ClientError) as refused:
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]})
    assert refusal(refused)[:2] == (400, "InvalidRequest")
    assert "sha256" in refusal(refused)[2]
    assert "part 1" in refusal(refused)[2]
    wrong = {**part, "ChecksumSHA256": sha256(b"other")}
    with pytest.raises(ClientError, match="InvalidPart"):
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [wrong]})
    assert s3.list_objects_v2(Bucket="models")["KeyCount"] == 0
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{**part, "ChecksumSHA256": sha256(BODY)}]})
    assert s3.get_object(Bucket="models", Key="k")["Body"].read() == BODY


def test_a_part_with_another_kind_of_checksum_than_its_upload_is_refused(s3: Any):
    upload = start(s3, "k")
    with pytest.raises(ClientError) as refused:  # boto3 sends CRC32 where it is not told otherwise
        s3.upload_part(**upload, PartNumber=1, Body=BODY)
    text = "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32"
    assert refusal(refused) == (400, "InvalidRequest", text)


def test_uploads_without_a_named_checksum_need_none_at_their_end(s3: Any):
    upload = {"Bucket": "models", "Key": "k"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    tag = s3.upload_part(**upload, PartNumber=1, Body=BODY)["ETag"]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    assert s3.get_object(Bucket="models", Key="k")["Body"].read() == BODY


def put_in_chunks(aws: LocalAws, body: bytes, checksum: str) -> tuple[int, bytes]:
    """A PutObject as SDKs send a stream: the checksum follows the body."""
    chunked = b"%x\r\n%s\r\n0\r\nx-amz-checksum-sha256:%s\r\n\r\n" % (len(body), body, checksum.encode())
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/s3/aws4_request, Signature=none",
        "Content-Encoding": "aws-chunked",
        "Content-Type": "binary/octet-stream",
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(body)),
        "x-amz-sdk-checksum-algorithm": "SHA256",
        "x-amz-trailer": "x-amz-checksum-sha256",
    }
    request = urllib.request.Request(f"{aws.url}/models/streamed", chunked, headers, method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_checksum_that_follows_the_body_is_checked_and_kept(aws: LocalAws, s3: Any):
    status, text = put_in_chunks(aws, BODY, sha256(b"other"))
    assert (status, b"<Code>BadDigest</Code>" in text) == (400, True)
    assert put_in_chunks(aws, BODY, sha256(BODY))[0] == 200
    answer = s3.get_object(Bucket="models", Key="streamed", ChecksumMode="ENABLED")
    assert (answer["Body"].read(), answer["ChecksumSHA256"]) == (BODY, sha256(BODY))


def test_the_last_field_after_the_body_counts_not_one_inside_it():
    headers = {"x-amz-trailer": "x-amz-checksum-sha256"}
    inside = b"7\r\n\r\nx-amz-checksum-sha256:inside\r\n0\r\nx-amz-checksum-sha256:last\r\n\r\n"
    assert sent_checksum(headers, inside) == SentChecksum("SHA256", "last")
    assert sent_checksum({"x-amz-trailer": "x-amz-checksum-crc64nvme"}, b"0\r\nx-amz-checksum-crc64nvme:AA==") is None
    assert sent_checksum({}, b"") is None


RANGES = [
    ("bytes=0-0", b"0", "bytes 0-0/10"),
    ("bytes=2-4", b"234", "bytes 2-4/10"),
    ("bytes=8-99", b"89", "bytes 8-9/10"),
    ("bytes=7-", b"789", "bytes 7-9/10"),
    ("bytes=-3", b"789", "bytes 7-9/10"),
    ("bytes=0-1,4-5", b"0123456789", None),
    ("bytes=5-2", b"0123456789", None),
    ("lines=a", b"0123456789", None),
]


@pytest.mark.parametrize(("asked", "content", "told"), RANGES)
def test_ranges_are_answered_as_s3_does(s3: Any, asked: str, content: bytes, told: str | None):
    s3.put_object(Bucket="models", Key="k", Body=b"0123456789")
    answer = s3.get_object(Bucket="models", Key="k", Range=asked)
    assert (answer["Body"].read(), answer.get("ContentRange"), answer["ContentLength"]) == (content, told, len(content))


def test_a_range_behind_the_end_is_refused(s3: Any):
    s3.put_object(Bucket="models", Key="k", Body=b"0123456789")
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket="models", Key="k", Range="bytes=10-")
    assert refusal(refused)[:2] == (416, "InvalidRange")


def test_a_range_reads_no_more_of_the_object_than_itself(s3: Any, monkeypatch: pytest.MonkeyPatch):
    from moto.s3.models import FakeKey

    content = bytes(range(256)) * (20 * MIB // 256)  # more than moto keeps in memory
    s3.put_object(Bucket="models", Key="k", Body=content)

    def whole(_: Any) -> bytes:
        raise AssertionError("the whole object was read")

    monkeypatch.setattr(FakeKey, "value", property(whole))
    answer = s3.get_object(Bucket="models", Key="k", Range=f"bytes={7 * MIB + 5}-{7 * MIB + 9}")
    assert answer["Body"].read() == bytes(range(5, 10))


def test_an_object_that_is_there_is_not_written_again(s3: Any):
    s3.put_object(Bucket="models", Key="k", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="models", Key="k", Body=b"second", IfNoneMatch="*")
    assert refusal(refused)[:2] == (412, "PreconditionFailed")
    assert s3.get_object(Bucket="models", Key="k")["Body"].read() == b"first"


def test_an_object_that_was_changed_meanwhile_is_not_overwritten(s3: Any):
    old = s3.put_object(Bucket="models", Key="k", Body=b"first")["ETag"]
    new = s3.put_object(Bucket="models", Key="k", Body=b"second", IfMatch=old)["ETag"]
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="models", Key="k", Body=b"third", IfMatch=old)
    assert refusal(refused)[:2] == (412, "PreconditionFailed")
    s3.put_object(Bucket="models", Key="k", Body=b"third", IfMatch=new)
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="models", Key="absent", Body=b"x", IfMatch=old)
    assert refusal(refused)[:2] == (404, "NoSuchKey")


def test_an_unchanged_object_is_not_sent_again(s3: Any):
    etag = s3.put_object(Bucket="models", Key="k", Body=BODY)["ETag"]
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket="models", Key="k", IfNoneMatch=etag)
    assert refusal(refused)[0] == 304
    assert s3.get_object(Bucket="models", Key="k", IfNoneMatch='"other"')["Body"].read() == BODY


def test_of_two_conditional_writes_at_the_same_time_one_wins(aws: LocalAws, s3: Any, monkeypatch: pytest.MonkeyPatch):
    """Both requests come before either has written: each waits a while for the other between check and write."""
    both = threading.Barrier(2)
    store = LocalS3Backend.put_object

    def hesitant(self: Any, *args: Any, **options: Any) -> Any:
        with contextlib.suppress(threading.BrokenBarrierError):  # the other one was kept out, as it should be
            both.wait(0.5)
        return store(self, *args, **options)

    monkeypatch.setattr(LocalS3Backend, "put_object", hesitant)
    codes: list[str] = []

    def write(body: bytes) -> None:
        try:
            s3.put_object(Bucket="models", Key="k", Body=body, IfNoneMatch="*")
            codes.append("written")
        except ClientError as error:
            codes.append(error.response["Error"]["Code"])

    writers = [threading.Thread(target=write, args=(body,)) for body in (b"one", b"two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(codes) == ["PreconditionFailed", "written"]


def test_of_a_bucket_with_suspended_versioning_every_version_and_marker_can_be_deleted(s3: Any) -> None:
    """As the stack is destroyed: versioning first, then the bucket with all that it holds."""
    s3.create_bucket(Bucket="suspended")
    versioning = {"Bucket": "suspended"}
    s3.put_bucket_versioning(**versioning, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="suspended", Key="k", Body=b"one")
    s3.delete_object(Bucket="suspended", Key="k")
    s3.put_object(Bucket="suspended", Key="k", Body=b"two")
    s3.put_bucket_versioning(**versioning, VersioningConfiguration={"Status": "Suspended"})
    found = s3.list_object_versions(Bucket="suspended")
    first, *others = [each["VersionId"] for each in found["Versions"] + found["DeleteMarkers"]]
    s3.delete_object(Bucket="suspended", Key="k", VersionId=first)
    left = s3.list_object_versions(Bucket="suspended")
    assert {each["VersionId"] for each in left["Versions"] + left["DeleteMarkers"]} == set(others)
    s3.delete_objects(Bucket="suspended", Delete={"Objects": [{"Key": "k", "VersionId": each} for each in others]})
    s3.delete_bucket(Bucket="suspended")
