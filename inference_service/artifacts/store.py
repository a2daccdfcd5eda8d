"""Manifests and pointers as S3 objects, with the conditional writes that keep a version immutable."""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from inference_service import contract
from inference_service.artifacts import manifest as manifests
from inference_service.artifacts import pointer as pointers
from inference_service.artifacts.errors import (
    ArtifactError,
    IntegrityError,
    InvalidDocumentError,
    PointerChangedError,
    UnknownVersionError,
    VersionExistsError,
)
from inference_service.artifacts.manifest import Manifest, check_name
from inference_service.artifacts.pointer import Pointer, VersionRef

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# 412: the condition does not hold. 409: another conditional write of the same key is in flight
# (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
_LOST = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_ABSENT = ("NoSuchKey", "404", "NotFound")
_UNCHANGED = "304"
_NO_BUCKET = "NoSuchBucket"


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


class ArtifactStore:
    """One model bucket. Every method raises ArtifactError where a person has to act; botocore has retried by then.

    `prefix` says of what: models, or compiled code, whose versions are the keys of compile_cache.py.
    """

    def __init__(self, s3: "S3Client", bucket: str, prefix: str = contract.MODELS_PREFIX) -> None:
        self.s3 = s3
        self.bucket = bucket
        self._prefix = prefix

    def version_prefix(self, model: str, version: str) -> str:
        """Key prefix of one version, with its trailing slash."""
        return f"{self._prefix}{check_name('model', model)}/{check_name('version', version)}/"

    def models(self) -> list[str]:
        """Names under which anything was published."""
        return [name.removeprefix(self._prefix).rstrip("/") for name in self._folders(self._prefix)]

    def versions(self, model: str) -> list[str]:
        """Versions whose manifest is there; one that is still being uploaded has none."""
        prefix = f"{self._prefix}{check_name('model', model)}/"
        names = (folder.removeprefix(prefix).rstrip("/") for folder in self._folders(prefix))
        return [version for version in names if self.manifest_sha256(model, version)]

    def manifest(self, model: str, version: str) -> Manifest:
        """Raises UnknownVersionError when that version was never published to its end."""
        raw = self._read(self._manifest_key(model, version))
        if raw is None:
            raise UnknownVersionError(
                f"{model} has no version {version} in bucket {self.bucket}; published: "
                f"{', '.join(self.versions(model)) or 'none'}"
            )
        return self._parsed(raw[0], model, version)

    def manifest_for(self, model: str, reference: VersionRef) -> Manifest:
        """The manifest that the pointer means, and no other.

        Raises:
            IntegrityError: its SHA-256 is not the pointer's, or it describes another model or version.
            UnknownVersionError: it is not there.
        """
        key = self._manifest_key(model, reference.version)
        raw = self._read(key)
        if raw is None:
            raise UnknownVersionError(
                f"the pointer of {model} names {reference.version}, but {key} is not in the bucket"
            )
        found = hashlib.sha256(raw[0]).hexdigest()
        if found != reference.manifest_sha256:
            raise IntegrityError(
                f"s3://{self.bucket}/{key} has SHA-256 {found}, the pointer says {reference.manifest_sha256}: it was "
                "altered; delete it and publish the same files again, or `warmfleet models activate` another version"
            )
        manifest = self._parsed(raw[0], model, reference.version)
        if (manifest.model, manifest.version) != (model, reference.version):
            raise IntegrityError(f"{key} describes {manifest.model} {manifest.version}")
        return manifest

    def _parsed(self, raw: bytes, model: str, version: str) -> Manifest:
        try:
            return manifests.parse(raw)
        except InvalidDocumentError as error:
            raise InvalidDocumentError(f"s3://{self.bucket}/{self._manifest_key(model, version)}: {error}") from error

    def manifest_sha256(self, model: str, version: str) -> str | None:
        """SHA-256 of the version's manifest as it lies in the bucket; None where there is none."""
        raw = self._read(self._manifest_key(model, version))
        return hashlib.sha256(raw[0]).hexdigest() if raw else None

    def put_manifest(self, manifest: Manifest) -> None:
        """Make the version exist: the last step of publishing.

        Raises:
            VersionExistsError: it exists already, with whatever content.
        """
        key = self._manifest_key(manifest.model, manifest.version)
        if not self._put(key, manifest.to_json(), IfNoneMatch="*"):
            raise VersionExistsError(
                f"{manifest.model} {manifest.version} exists already: a version is never overwritten"
            )

    def read_pointer(self, model: str) -> tuple[Pointer, str] | None:
        """The pointer and its entity tag; None while no version was activated."""
        raw = self._read(contract.pointer_key(model))
        return (pointers.parse(raw[0]), raw[1]) if raw else None

    def write_pointer(self, model: str, pointer: Pointer, etag: str | None) -> None:
        """Write the pointer if it is still as read (`etag`), or still absent (None).

        Raises:
            PointerChangedError: somebody else was faster.
        """
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        if not self._put(contract.pointer_key(model), pointer.to_json(), **condition):
            raise PointerChangedError(
                f"the pointer of {model} was changed by somebody else meanwhile: look, then repeat"
            )

    def _manifest_key(self, model: str, version: str) -> str:
        return self.version_prefix(model, version) + contract.MANIFEST_NAME

    def reread_pointer(self, model: str, known: tuple[Pointer, str] | None) -> tuple[Pointer, str] | None:
        """As read_pointer; while the pointer is still the `known` one, S3 answers without a body."""
        if known is None:
            return self.read_pointer(model)
        raw = self._read(contract.pointer_key(model), IfNoneMatch=known[1])
        if raw is None:
            return None
        return known if raw[1] == known[1] else (pointers.parse(raw[0]), raw[1])

    def _read(self, key: str, **condition: Any) -> tuple[bytes, str] | None:
        try:
            answer = self.s3.get_object(Bucket=self.bucket, Key=key, **condition)
            return answer["Body"].read(), answer["ETag"]
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            if error_code(error) == _UNCHANGED:
                return b"", condition["IfNoneMatch"]
            raise self._explained(error, key) from error
        except BotoCoreError as error:
            raise self._unreachable(error, key) from error

    def _put(self, key: str, body: bytes, **condition: Any) -> bool:
        """Whether the conditional write was ours."""
        try:
            self.s3.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=body,
                ContentType="application/json",
                ChecksumAlgorithm="SHA256",
                **condition,
            )
        except ClientError as error:
            if error_code(error) in _LOST or ("IfMatch" in condition and error_code(error) in _ABSENT):
                return False
            raise self._explained(error, key) from error
        except BotoCoreError as error:
            raise self._unreachable(error, key) from error
        return True

    def _folders(self, prefix: str) -> Iterator[str]:
        try:
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/")
            for page in pages:
                yield from (folder["Prefix"] for folder in page.get("CommonPrefixes", []))
        except ClientError as error:
            raise self._explained(error, prefix) from error
        except BotoCoreError as error:
            raise self._unreachable(error, prefix) from error

    def _unreachable(self, error: BotoCoreError, key: str) -> ArtifactError:
        return ArtifactError(f"s3://{self.bucket}/{key} cannot be reached: {error}")

    def _explained(self, error: ClientError, key: str) -> ArtifactError:
        if error_code(error) == _NO_BUCKET:
            return ArtifactError(
                f"bucket {self.bucket} does not exist: run `warmfleet up`, or check the stack's outputs"
            )
        return ArtifactError(f"s3://{self.bucket}/{key}: {error}")
