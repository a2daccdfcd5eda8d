"""The actions that moto leaves half done: rotation without its period."""

import json
from typing import Any

from moto.kms.responses import KmsResponse

# mypy: disallow-subclassing-any=False

# https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html
ROTATION_DAYS = 365


class LocalKmsResponse(KmsResponse):
    """moto's KMS actions, and a rotation period that is kept."""

    def enable_key_rotation(self) -> str:
        answer: str = super().enable_key_rotation()
        self._key().rotation_days = int(self._get_param("RotationPeriodInDays", ROTATION_DAYS))
        return answer

    def get_key_rotation_status(self) -> str:
        """https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyRotationStatus.html"""
        status: dict[str, Any] = json.loads(super().get_key_rotation_status())
        if status["KeyRotationEnabled"]:
            status["RotationPeriodInDays"] = getattr(self._key(), "rotation_days", ROTATION_DAYS)
        return json.dumps(status)

    def _key(self) -> Any:
        return self.kms_backend.keys[self.kms_backend.get_key_id(self._get_param("KeyId"))]
