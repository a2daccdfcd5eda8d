"""The inference service's wheels, uploaded before any group that boots from them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_aws import s3

from inference_service import contract

ARCHIVE = "bundle.tar.gz"


class BundleMissingError(pulumi.RunError):
    """The service bundle is not built."""


@dataclass(frozen=True)
class ServiceBundleArgs:
    """`folder` holds what `warmfleet service build` made; `after` is what must stand before the upload."""

    folder: Path
    bucket: pulumi.Input[str]
    after: list[pulumi.Resource]


class ServiceBundle(pulumi.ComponentResource):
    """Archive and manifest under a prefix that is the manifest's SHA-256: one version is never overwritten."""

    def __init__(self, name: str, args: ServiceBundleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:service_bundle:ServiceBundle", name, None, opts)
        self.version = bundle_version(args.folder)
        archive = self._upload(f"{name}-archive", args, ARCHIVE, args.after)
        # Last, as everywhere: who finds a manifest finds what it describes.
        self.manifest = self._upload(f"{name}-manifest", args, contract.MANIFEST_NAME, [archive])
        self.register_outputs({"version": self.version})

    def _upload(self, name: str, args: ServiceBundleArgs, file: str, after: list[pulumi.Resource]) -> s3.BucketObjectv2:
        return s3.BucketObjectv2(
            name,
            bucket=args.bucket,
            key=contract.service_prefix(self.version) + file,
            source=pulumi.FileAsset(str(args.folder / file)),
            checksum_algorithm="SHA256",
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )


def bundle_version(folder: Path) -> str:
    """The SHA-256 of the manifest in `folder`, hex.

    Raises:
        BundleMissingError: the manifest or the archive is not there.
    """
    missing = [file for file in (contract.MANIFEST_NAME, ARCHIVE) if not (folder / file).is_file()]
    if missing:
        raise BundleMissingError(
            f"the service bundle is not built: {folder} has no {' and no '.join(missing)}; "
            "run `warmfleet service build`"
        )
    return hashlib.sha256((folder / contract.MANIFEST_NAME).read_bytes()).hexdigest()
