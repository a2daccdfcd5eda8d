"""Model versions in the bucket: manifest, pointer, store, publishing. Used by the CLI and by nodes (adr 0005)."""

from inference_service.artifacts.activation import activate, published, rollback
from inference_service.artifacts.errors import ArtifactError
from inference_service.artifacts.manifest import FileEntry, Manifest, content_version
from inference_service.artifacts.pointer import Pointer, VersionRef, place
from inference_service.artifacts.publish import PublishProgress, PublishResult, publish
from inference_service.artifacts.store import ArtifactStore

__all__ = [
    "ArtifactError",
    "ArtifactStore",
    "FileEntry",
    "Manifest",
    "Pointer",
    "PublishProgress",
    "PublishResult",
    "VersionRef",
    "activate",
    "content_version",
    "place",
    "publish",
    "published",
    "rollback",
]
