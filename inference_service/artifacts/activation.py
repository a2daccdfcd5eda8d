"""Switch the version that a model's nodes serve, at once. Waves go through the same pointer, step by step."""

from inference_service.artifacts.errors import ArtifactError, UnknownVersionError
from inference_service.artifacts.pointer import Pointer, VersionRef
from inference_service.artifacts.store import ArtifactStore


def activate(store: ArtifactStore, model: str, version: str) -> Pointer:
    """Point `model` at `version`; the version served so far becomes the previous one. Repeating it changes nothing.

    Raises:
        UnknownVersionError: the version was never published to its end.
        InvalidDocumentError: its manifest cannot be read.
        PointerChangedError: somebody else wrote the pointer meanwhile.
    """
    target, read = published(store, model, version), store.read_pointer(model)
    before, etag = read if read else (None, None)
    after = before.activated(target) if before else Pointer(current=target)
    if after != before:
        store.write_pointer(model, after, etag)
    return after


def published(store: ArtifactStore, model: str, version: str) -> VersionRef:
    """What a pointer has to say to name `version`.

    Raises:
        UnknownVersionError: the version was never published to its end.
        InvalidDocumentError: its manifest cannot be read.
    """
    sha256 = store.manifest_sha256(model, version)
    if sha256 is None:
        known = ", ".join(store.versions(model)) or "none; publish one with `warmfleet models publish`"
        raise UnknownVersionError(f"{model} has no version {version} in bucket {store.bucket}; published: {known}")
    store.manifest(model, version)  # readable, or nobody could serve it
    return VersionRef(version, sha256)


def rollback(store: ArtifactStore, model: str) -> Pointer:
    """Point `model` back at its previous version, which nodes keep on disk; twice returns to where it began.

    Raises:
        ArtifactError: nothing was activated yet, or there is no previous version.
        PointerChangedError: somebody else wrote the pointer meanwhile.
    """
    read = store.read_pointer(model)
    if read is None:
        raise ArtifactError(
            f"{model} has no active version in bucket {store.bucket}: `warmfleet models activate {model} VERSION`"
        )
    pointer = read[0].rolled_back()
    store.write_pointer(model, pointer, read[1])
    return pointer
