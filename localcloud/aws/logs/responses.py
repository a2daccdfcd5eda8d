"""The actions that moto lacks: another key for a log group, and none."""

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.responses import LogsResponse

# mypy: disallow-subclassing-any=False


class LocalLogsResponse(LogsResponse):
    """moto's CloudWatch Logs actions, and the key of a log group that exists."""

    def associate_kms_key(self) -> str:
        """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_AssociateKmsKey.html"""
        return self._set_key(self._get_param("kmsKeyId"))

    def disassociate_kms_key(self) -> str:
        """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DisassociateKmsKey.html"""
        return self._set_key(None)

    def _set_key(self, key: str | None) -> str:
        group = self.logs_backend.groups.get(self._get_param("logGroupName"))
        if group is None:
            raise ResourceNotFoundException
        group.kms_key_id = key
        return ""
