"""Why an artifact cannot be published, activated or used; each message names the value, the limit and the remedy."""


class ArtifactError(Exception):
    """Anything about a model version that a person has to put right. Its text is shown as it is."""


class InvalidDocumentError(ArtifactError):
    """A manifest or a pointer that does not say what it must say."""


class UnpublishableError(ArtifactError):
    """Local files that cannot become a version: missing, of a format that carries code, changed meanwhile."""


class VersionExistsError(ArtifactError):
    """The version name is taken by other bytes. A version is never overwritten."""


class UnknownVersionError(ArtifactError):
    """No manifest for that version in the bucket, so it was never published to its end."""


class PointerChangedError(ArtifactError):
    """Somebody else wrote the pointer between our read and our write."""


class MissingObjectError(ArtifactError):
    """A file that the manifest lists is not in the bucket."""


class IntegrityError(ArtifactError):
    """Bytes that differ from what the manifest or the pointer promised."""
