"""Which operation of which API takes the properties of a resource."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """One operation of a service, and the member of its input that the properties belong to, if not the whole."""

    service: str
    name: str
    member: str = ""

    def __str__(self) -> str:
        return f"{self.name}.{self.member}".rstrip(".")


# What makes a resource.
OPERATIONS: Mapping[str, Operation] = {
    "aws:autoscaling/group:Group": Operation("autoscaling", "CreateAutoScalingGroup"),
    "aws:autoscaling/lifecycleHook:LifecycleHook": Operation("autoscaling", "PutLifecycleHook"),
    "aws:autoscaling/policy:Policy": Operation("autoscaling", "PutScalingPolicy"),
    "aws:autoscaling/schedule:Schedule": Operation("autoscaling", "PutScheduledUpdateGroupAction"),
    "aws:autoscaling/notification:Notification": Operation("autoscaling", "PutNotificationConfiguration"),
    "aws:appautoscaling/policy:Policy": Operation("application-autoscaling", "PutScalingPolicy"),
    "aws:appautoscaling/target:Target": Operation("application-autoscaling", "RegisterScalableTarget"),
    "aws:ec2/launchTemplate:LaunchTemplate": Operation("ec2", "CreateLaunchTemplate", "LaunchTemplateData"),
    "aws:ec2/instance:Instance": Operation("ec2", "RunInstances"),
    "aws:ec2/vpc:Vpc": Operation("ec2", "CreateVpc"),
    "aws:ec2/subnet:Subnet": Operation("ec2", "CreateSubnet"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Operation("ec2", "CreateVpcEndpoint"),
    "aws:ec2/natGateway:NatGateway": Operation("ec2", "CreateNatGateway"),
    "aws:ec2/flowLog:FlowLog": Operation("ec2", "CreateFlowLogs"),
    "aws:ec2/eip:Eip": Operation("ec2", "AllocateAddress"),
    "aws:ebs/volume:Volume": Operation("ec2", "CreateVolume"),
    "aws:lb/loadBalancer:LoadBalancer": Operation("elbv2", "CreateLoadBalancer"),
    "aws:lb/targetGroup:TargetGroup": Operation("elbv2", "CreateTargetGroup"),
    "aws:lb/listener:Listener": Operation("elbv2", "CreateListener"),
    "aws:lb/listenerRule:ListenerRule": Operation("elbv2", "CreateRule"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Operation("cloudwatch", "PutMetricAlarm"),
    "aws:cloudwatch/dashboard:Dashboard": Operation("cloudwatch", "PutDashboard"),
    "aws:cloudwatch/logGroup:LogGroup": Operation("logs", "CreateLogGroup"),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": Operation("logs", "PutMetricFilter"),
    "aws:cloudwatch/eventRule:EventRule": Operation("events", "PutRule"),
    "aws:cloudwatch/eventTarget:EventTarget": Operation("events", "PutTargets", "Targets"),
    "aws:budgets/budget:Budget": Operation("budgets", "CreateBudget", "Budget"),
    "aws:iam/role:Role": Operation("iam", "CreateRole"),
    "aws:iam/rolePolicy:RolePolicy": Operation("iam", "PutRolePolicy"),
    "aws:iam/policy:Policy": Operation("iam", "CreatePolicy"),
    "aws:iam/instanceProfile:InstanceProfile": Operation("iam", "CreateInstanceProfile"),
    "aws:kms/key:Key": Operation("kms", "CreateKey"),
    "aws:kms/alias:Alias": Operation("kms", "CreateAlias"),
    "aws:ssm/parameter:Parameter": Operation("ssm", "PutParameter"),
    "aws:sns/topicSubscription:TopicSubscription": Operation("sns", "Subscribe"),
    "aws:lambda/function:Function": Operation("lambda", "CreateFunction"),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": Operation(
        "lambda", "PutFunctionEventInvokeConfig"
    ),
    "aws:secretsmanager/secret:Secret": Operation("secretsmanager", "CreateSecret"),
    "aws:s3/bucketVersioning:BucketVersioning": Operation("s3", "PutBucketVersioning"),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Operation(
        "s3", "PutBucketLifecycleConfiguration", "LifecycleConfiguration"
    ),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": Operation(
        "s3", "PutObjectLockConfiguration", "ObjectLockConfiguration"
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": Operation("s3", "PutBucketOwnershipControls"),
    "aws:s3/bucketObjectv2:BucketObjectv2": Operation("s3", "PutObject"),
}
# Members of a resource that another operation takes.
NESTED: Mapping[str, Mapping[str, Operation]] = {
    "aws:autoscaling/group:Group": {
        "warmPool": Operation("autoscaling", "PutWarmPool"),
        "instanceRefresh": Operation("autoscaling", "StartInstanceRefresh"),
        "initialLifecycleHooks": Operation("autoscaling", "PutLifecycleHook"),
    },
}
