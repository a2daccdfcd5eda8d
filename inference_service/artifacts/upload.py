"""Send one file to the bucket: in one checked request, or in parts that are given up whole when anything fails."""

import base64
import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from inference_service.artifacts.errors import UnpublishableError
from inference_service.artifacts.manifest import FileEntry
from inference_service.artifacts.selection import LocalFile
from inference_service.artifacts.store import error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

MIB = 1 << 20
PART_BYTES = 64 * MIB
MOST_PARTS = 10_000  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PARALLEL_PARTS = 4  # with 64 MiB each: 256 MiB of the operator's memory
SHA256_METADATA = "sha256"


def part_bytes(total: int) -> int:
    """Bytes of each part, so that the file fits into S3's 10,000 parts."""
    return max(PART_BYTES, -(-total // MOST_PARTS))


class Uploader:
    """Uploads into one bucket. `sent` is called with the number of bytes of each request that has been accepted."""

    def __init__(self, s3: "S3Client", bucket: str, sent: Callable[[int], None]) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._sent = sent

    def present(self, key: str, entry: FileEntry) -> bool:
        """Whether an earlier run already sent these very bytes, and nobody has replaced them."""
        try:
            head = self._s3.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        except ClientError as error:
            if error_code(error) in ("404", "NoSuchKey", "NotFound"):
                return False
            raise
        whole = base64.b64encode(bytes.fromhex(entry.sha256)).decode()
        stored = head.get(
            "ChecksumSHA256", whole
        )  # of an upload in parts: the checksum of checksums, with their number
        same = stored == whole or "-" in stored
        return same and head["ContentLength"] == entry.bytes and head["Metadata"].get(SHA256_METADATA) == entry.sha256

    def upload(self, file: LocalFile, key: str, entry: FileEntry) -> None:
        """Send a file whose hash is known; it is hashed again on the way.

        Raises:
            UnpublishableError: the file has changed since it was hashed; nothing of it is left in the bucket.
        """
        with file.source.open("rb") as stream:
            if entry.bytes <= part_bytes(entry.bytes):
                self._in_one(stream.read(), file, key, entry)
            else:
                self._in_parts(stream, file, key, entry)
        if entry.bytes == 0:
            self._sent(0)

    def _in_one(self, body: bytes, file: LocalFile, key: str, entry: FileEntry) -> None:
        digest = hashlib.sha256(body)
        _refuse_changed(file, entry, digest.hexdigest())
        self._s3.put_object(
            Bucket=self._bucket,
            Key=key,
            Body=body,
            Metadata={SHA256_METADATA: entry.sha256},
            ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
        )
        self._sent(len(body))

    def _in_parts(self, stream: BinaryIO, file: LocalFile, key: str, entry: FileEntry) -> None:
        upload_id = self._s3.create_multipart_upload(
            Bucket=self._bucket, Key=key, Metadata={SHA256_METADATA: entry.sha256}, ChecksumAlgorithm="SHA256"
        )["UploadId"]
        try:
            digest = hashlib.sha256()
            parts = self._send_parts(_chunks(stream, part_bytes(entry.bytes), digest.update), key, upload_id)
            _refuse_changed(file, entry, digest.hexdigest())
            self._s3.complete_multipart_upload(
                Bucket=self._bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}
            )
        except BaseException:  # Ctrl-C as well: parts of an upload that nobody completes are billed for ever
            with contextlib.suppress(ClientError, BotoCoreError):  # completed a moment ago, or S3 is why we are here
                self._s3.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
            raise

    def _send_parts(self, chunks: Iterator[bytes], key: str, upload_id: str) -> "list[CompletedPartTypeDef]":
        """Parts in parallel, and never more of them in memory than are being sent."""
        room = threading.Semaphore(PARALLEL_PARTS)
        futures: list[Future[CompletedPartTypeDef]] = []
        with ThreadPoolExecutor(PARALLEL_PARTS) as pool:
            for number, chunk in enumerate(chunks, start=1):
                room.acquire()
                if any(future.done() and future.exception() for future in futures):
                    break
                futures.append(pool.submit(self._send_part, chunk, key, upload_id, number))
                futures[-1].add_done_callback(lambda _: room.release())
        return [future.result() for future in futures]

    def _send_part(self, chunk: bytes, key: str, upload_id: str, number: int) -> "CompletedPartTypeDef":
        checksum = base64.b64encode(hashlib.sha256(chunk).digest()).decode()
        answer = self._s3.upload_part(
            Bucket=self._bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=chunk, ChecksumSHA256=checksum
        )
        self._sent(len(chunk))
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}


def _chunks(stream: BinaryIO, size: int, seen: Callable[[bytes], None]) -> Iterator[bytes]:
    while chunk := stream.read(size):
        seen(chunk)
        yield chunk


def _refuse_changed(file: LocalFile, entry: FileEntry, sha256: str) -> None:
    if sha256 != entry.sha256:
        raise UnpublishableError(
            f"{file.source} changed while it was being published: SHA-256 {entry.sha256} before, {sha256} now; "
            "run the same command again when nothing writes to it"
        )
