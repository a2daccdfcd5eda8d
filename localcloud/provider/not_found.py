"""Which of AWS's errors say that the resource is gone. No other error may drop a resource from Pulumi's state."""

from botocore.exceptions import ClientError

# From the services' API references ("Errors" of the describe, get, head and delete calls that the handlers make).
CODES = frozenset({
    "404",  # S3 HeadBucket, HeadObject: no body, so no code
    "AWS.SimpleQueueService.NonExistentQueue",
    "InvalidAllocationID.NotFound",
    "InvalidAssociationID.NotFound",
    "InvalidFlowLogId.NotFound",
    "InvalidGroup.NotFound",
    "InvalidInternetGatewayID.NotFound",
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateName.NotFoundException",
    "InvalidPermission.NotFound",
    "InvalidLaunchTemplateId.NotFoundException",
    "InvalidRoute.NotFound",
    "InvalidRouteTableID.NotFound",
    "InvalidSecurityGroupRuleId.NotFound",
    "InvalidSubnetID.NotFound",
    "InvalidVpcEndpointId.NotFound",
    "InvalidVpcID.NotFound",
    "ListenerNotFound",
    "LoadBalancerNotFound",
    "NatGatewayNotFound",
    "NoSuchBucket",
    "NoSuchBucketPolicy",
    "NoSuchEntity",
    "NoSuchKey",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "NotFound",  # SNS
    "NotFoundException",  # KMS, budgets
    "OwnershipControlsNotFoundError",
    "ParameterNotFound",
    "QueueDoesNotExist",
    "ResourceNotFound",  # dashboards
    "ResourceNotFoundException",  # CloudWatch Logs, EventBridge
    "ServerSideEncryptionConfigurationNotFoundError",
    "TargetGroupNotFound",
})  # fmt: skip


def is_not_found(error: ClientError) -> bool:
    """Whether AWS says that there is no such resource."""
    return error.response.get("Error", {}).get("Code") in CODES
