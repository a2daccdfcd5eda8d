"""Refusals of EC2 in its own words.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from moto.ec2.exceptions import EC2ClientError

# mypy: disallow-subclassing-any=False


class InvalidInstanceTypeError(EC2ClientError):
    """moto launches types that do not exist."""

    def __init__(self, instance_type: str) -> None:
        super().__init__("InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType.")
