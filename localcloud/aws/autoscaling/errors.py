"""Refusals of Auto Scaling in its own words.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/CommonErrors.html and the errors of each action.
"""

from moto.autoscaling.exceptions import AutoscalingClientError

# mypy: disallow-subclassing-any=False


class ValidationError(AutoscalingClientError):
    code = "ValidationError"


class AlreadyExistsError(AutoscalingClientError):
    code = "AlreadyExists"


class ResourceInUseError(AutoscalingClientError):
    code = "ResourceInUse"


class RefreshInProgressError(AutoscalingClientError):
    code = "InstanceRefreshInProgress"


class ActiveRefreshNotFoundError(AutoscalingClientError):
    code = "ActiveInstanceRefreshNotFound"


class IrreversibleRefreshError(AutoscalingClientError):
    code = "IrreversibleInstanceRefresh"


class NotSimulatedError(ValidationError):
    """What this cloud does not do fails loudly instead of half-happening."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not simulated by the local cloud (localcloud/aws/autoscaling); try it on AWS")
