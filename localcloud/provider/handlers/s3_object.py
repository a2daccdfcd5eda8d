"""Objects that the program uploads."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from localcloud.provider.errors import ProviderError
from localcloud.provider.handlers.ec2_tags import TAG_INPUTS, TAG_OUTPUTS, as_mapping, tag_outputs
from localcloud.provider.handlers.s3_bucket import delete_versions
from localcloud.provider.resource import Aws, Handler, chosen, names
from localcloud.provider.values import Asset, Properties


class BucketObjectv2(Handler):
    """An object whose content is a file (`source`) or text (`content`)."""

    token = "aws:s3/bucketObjectv2:BucketObjectv2"
    inputs = (
        names("bucket key source content contentType cacheControl metadata sourceHash forceDestroy checksumAlgorithm")
        | TAG_INPUTS
    )
    outputs = names("arn bucket key etag versionId contentType metadata checksumSha256") | TAG_OUTPUTS
    changing = names("etag versionId checksumSha256")
    replaced_by = names("bucket key")

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = chosen(inputs, ("bucket", "key", "contentType", "cacheControl", "checksumAlgorithm"))
        if "metadata" in inputs:
            given["Metadata"] = inputs["metadata"]  # its keys are the program's, not property names
        if tags := inputs.get("tags"):
            given["Tagging"] = urlencode(tags)
        with _content(inputs) as body:
            aws.client("s3").put_object(Body=body, **given)
        return str(inputs["key"])

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        self.create(aws, inputs)

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        bucket, key = self._place(id_, known)
        s3 = aws.client("s3")
        head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        tags = as_mapping(s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"])
        return {
            "arn": f"arn:aws:s3:::{bucket}/{key}",
            "bucket": bucket,
            "key": key,
            "etag": head["ETag"].strip('"'),
            "versionId": head.get("VersionId", ""),
            "contentType": head["ContentType"],
            "checksumSha256": head.get("ChecksumSHA256", ""),
            **({"metadata": head["Metadata"]} if head.get("Metadata") else {}),
            **tag_outputs(tags, aws),
        }

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        bucket, key = self._place(id_, known)
        delete_versions(aws.client("s3"), bucket, key, key)

    @staticmethod
    def _place(id_: str, known: Properties) -> tuple[str, str]:
        if not known:  # an import: the id is BUCKET/KEY
            bucket, _, key = id_.partition("/")
            return bucket, key
        return known["bucket"], known["key"]


def _content(inputs: Properties) -> Any:
    """What to upload, as a context manager.

    Raises:
        ProviderError: the file cannot be read, or there is no content.
    """
    source = inputs.get("source")
    if isinstance(source, Asset) and source.path:
        try:
            return Path(source.path).open("rb")
        except OSError as error:
            raise ProviderError(f"the object {inputs['key']} cannot be uploaded: {error}") from error
    if isinstance(source, Asset) and source.text is not None:
        return nullcontext(source.text.encode())
    if "content" in inputs:
        return nullcontext(str(inputs["content"]).encode())
    raise ProviderError(f"the object {inputs['key']} has neither a source nor content; give one of them")
