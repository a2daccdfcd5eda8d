"""moto's KMS backend, answered by our actions."""

from typing import Any

from moto.kms.models import KmsBackend

# mypy: disallow-subclassing-any=False


class LocalKmsBackend(KmsBackend):
    """KMS of one region."""

    @property
    def _url_module(self) -> Any:
        """Imported when KMS is first asked for anything: a cloud without keys starts without it."""
        from localcloud.aws.kms import urls

        return urls
