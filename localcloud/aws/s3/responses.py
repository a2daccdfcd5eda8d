"""S3 requests on objects as AWS answers them, where moto 5.2.5 does not (tests/aws/test_upstream_gaps.py)."""

from typing import Any

from moto.s3.exceptions import S3ClientError
from moto.s3.responses import S3Response

from localcloud.aws.s3.checksums import PREFIX, SentChecksum, sent_checksum
from localcloud.aws.s3.parts import completion_problem, part_problem, wanted_algorithm
from localcloud.aws.s3.ranges import LazyKey, read

# mypy: disallow-subclassing-any=False

COMPOSITE = "COMPOSITE"


class LocalS3Response(S3Response):
    """Refuses wrong checksums, keeps right ones, reads ranges alone, writes conditionally without a race."""

    def put_object(self) -> Any:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""
        self._refuse_wrong_checksum()
        with self.backend.write_lock:
            return super().put_object()

    def upload_part(self) -> Any:
        """https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html"""
        self._refuse_wrong_checksum()
        upload, sent = self._upload(), self._sent_checksum()
        _refuse(part_problem(wanted_algorithm(upload), sent) if upload else None)
        answer = super().upload_part()
        if upload and sent:
            upload.parts[self._get_int_param("partNumber")].checksum_value = sent.value
        return answer

    def _key_response_post(self, *args: Any, **options: Any) -> Any:
        """CompleteMultipartUpload can be conditional too."""
        with self.backend.write_lock:
            return super()._key_response_post(*args, **options)

    def _complete_multipart_body(self, body: bytes) -> Any:
        upload = self._upload()
        if upload and (wanted := wanted_algorithm(upload)):
            stored = {number: part.checksum_value for number, part in upload.parts.items()}
            _refuse(completion_problem(wanted, stored, body))
        return super()._complete_multipart_body(body)

    def _get_checksum(self, response_headers: dict[str, Any]) -> tuple[str, str | None]:
        """The checksum that was sent is kept and returned, whether or not its algorithm was named as well."""
        sent = self._sent_checksum()
        if sent is None:
            algorithm, value = super()._get_checksum(response_headers)
            return str(algorithm), value
        response_headers[sent.header] = sent.value
        return sent.algorithm, sent.value

    def head_object(self, bucket_name: str, query: dict[str, Any], key_name: str, headers: Any) -> Any:
        """Of an upload in parts the checksum is the one of its parts' checksums, and ends with their number.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
        """
        status, found, body = super().head_object(bucket_name, query, key_name, headers)
        if status == 200 and any(each.startswith(PREFIX) for each in found):
            key = self.backend.head_object(bucket_name, key_name, version_id=query.get("versionId", [None])[0])
            if key and key.checksum_type == COMPOSITE:
                found[f"{PREFIX}{key.checksum_algorithm.lower()}"] = f"{key.checksum_value}-{key.checksum_parts}"
                found[f"{PREFIX}type"] = COMPOSITE
        return status, found, body

    def _get_key(self, *args: Any, **options: Any) -> Any:
        key, not_modified = super()._get_key(*args, **options)
        return (LazyKey(key) if self.method == "GET" and self.headers.get("range") else key), not_modified

    def key_response(self, request: Any, full_url: str, headers: Any) -> Any:
        status, response_headers, body = super().key_response(request, full_url, headers)
        return status, response_headers, read(body)  # a Range header that S3 does not honour: all of it

    def _sent_checksum(self) -> SentChecksum | None:
        return sent_checksum(self.headers, self.raw_body or b"")

    def _refuse_wrong_checksum(self) -> None:
        sent = self._sent_checksum()
        _refuse(sent.problem(self.body or b"") if sent else None)

    def _upload(self) -> Any:
        """The upload in parts that the request belongs to; None when there is none of that id."""
        uploads = self.backend.get_bucket(self.bucket_name).multiparts
        return uploads.get(self.querystring.get("uploadId", [None])[0])


def _refuse(problem: tuple[str, str] | None) -> None:
    if problem:
        raise S3ClientError(*problem)
