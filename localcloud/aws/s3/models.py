"""moto's S3 backend with a lock that makes conditional writes atomic."""

import threading
from typing import Any

from moto.s3.models import S3Backend

# mypy: disallow-subclassing-any=False


class LocalS3Backend(S3Backend):
    """S3 of one account."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.write_lock = threading.Lock()  # between a condition's check and the write that depends on it

    @property
    def _url_module(self) -> Any:
        """moto names its own module here, by which our Response would be ignored."""
        from localcloud.aws.s3 import urls

        return urls
