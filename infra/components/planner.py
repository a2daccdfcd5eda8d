"""Scaling: a Lambda function that plans every fleet once a minute (infra/planner), and what it may do."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from inference_service import contract
from infra.components.service_bundle import BundleMissingError
from infra.policy_document import Statement, assumed_by, may_encrypt, may_publish_metrics, statement, to_json

PACKAGE = "planner.zip"
HANDLER = "infra.planner.handler.handle"
RUNTIME = "python3.12"
TIMEOUT_SECONDS, MEMORY_MIB = 50, 512  # done before the next minute begins
NO_RETRIES, NEWEST_SECONDS = 0, 60  # the next minute plans anew, from newer figures


@dataclass(frozen=True)
class PlannerArgs:
    """`fleets` is the value of contract.VAR_FLEETS; `groups` are the ARNs of the groups that it sizes."""

    folder: Path
    environment: str
    bucket: pulumi.Output[str]
    bucket_arn: pulumi.Output[str]
    fleets: pulumi.Output[str]
    group_arns: list[pulumi.Output[str]]
    gateway_group: pulumi.Output[str]
    interruptions_url: pulumi.Output[str]
    interruptions_arn: pulumi.Output[str]
    log_group_name: pulumi.Output[str]
    log_group_arn: pulumi.Output[str]
    key_arn: pulumi.Output[str] | None


class Planner(pulumi.ComponentResource):
    """The function, its schedule and its role. It is outside the VPC: it calls AWS alone."""

    def __init__(self, name: str, args: PlannerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:planner:Planner", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        package = self._package()
        role, policy = self._role()
        self.function = self._function(package, role, policy)
        self._schedule(self._failures())
        self.register_outputs({"function": self.function.name})

    def _package(self) -> aws.s3.BucketObjectv2:
        path = self._args.folder / PACKAGE
        return aws.s3.BucketObjectv2(
            f"{self._name}-package",
            bucket=self._args.bucket,
            key=f"{contract.SCALING_PREFIX}package/{package_digest(self._args.folder).hex()}.zip",
            source=pulumi.FileAsset(str(path)),
            checksum_algorithm="SHA256",
            opts=self._child,
        )

    def _role(self) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
        args = self._args
        role = aws.iam.Role(
            self._name, assume_role_policy=assumed_by("lambda.amazonaws.com"), description="Planner", opts=self._child
        )
        arns = pulumi.Output.all(
            args.bucket_arn, args.interruptions_arn, args.log_group_arn, args.key_arn or "", *args.group_arns
        )
        document = arns.apply(lambda given: to_json(*may_scale(given[0], given[1], given[2], given[3], given[4:])))
        policy = aws.iam.RolePolicy(f"{self._name}-scale", role=role.name, policy=document, opts=self._child)
        return role, policy

    def _function(
        self, package: aws.s3.BucketObjectv2, role: aws.iam.Role, policy: aws.iam.RolePolicy
    ) -> aws.lambda_.Function:
        args = self._args
        return aws.lambda_.Function(
            self._name,
            description="Sizes the fleets of this stack, once a minute",
            role=role.arn,
            runtime=RUNTIME,
            architectures=["arm64"],
            handler=HANDLER,
            s3_bucket=args.bucket,
            s3_key=package.key,
            source_code_hash=base64.b64encode(package_digest(args.folder)).decode(),
            timeout=TIMEOUT_SECONDS,
            memory_size=MEMORY_MIB,
            kms_key_arn=args.key_arn,
            logging_config={"log_format": "Text", "log_group": args.log_group_name},
            environment={"variables": self._variables()},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )

    def _variables(self) -> Mapping[str, pulumi.Input[str]]:
        args = self._args
        return {
            contract.VAR_ENVIRONMENT: args.environment,
            contract.VAR_BUCKET: args.bucket,
            contract.VAR_INTERRUPTIONS_QUEUE_URL: args.interruptions_url,
            contract.VAR_FLEETS: args.fleets,
            contract.VAR_GATEWAY_GROUP: args.gateway_group,
        }

    def _failures(self) -> aws.lambda_.FunctionEventInvokeConfig:
        """A run that failed stays failed. EventBridge's own policy ends with the delivery: from there on it is Lambda
        that would run a minute again, one and two minutes late, beside newer ones.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
        """
        return aws.lambda_.FunctionEventInvokeConfig(
            self._name,
            function_name=self.function.name,
            maximum_retry_attempts=NO_RETRIES,
            maximum_event_age_in_seconds=NEWEST_SECONDS,
            opts=self._child,
        )

    def _schedule(self, failures: aws.lambda_.FunctionEventInvokeConfig) -> None:
        """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html"""
        rule = aws.cloudwatch.EventRule(f"{self._name}-minute", schedule_expression="rate(1 minute)", opts=self._child)
        permission = aws.lambda_.Permission(
            f"{self._name}-minute",
            action="lambda:InvokeFunction",
            function=self.function.name,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            opts=self._child,
        )
        aws.cloudwatch.EventTarget(
            f"{self._name}-minute",
            rule=rule.name,
            arn=self.function.arn,
            retry_policy={"maximum_retry_attempts": NO_RETRIES, "maximum_event_age_in_seconds": NEWEST_SECONDS},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[permission, failures]),
        )


def package_digest(folder: Path) -> bytes:
    """The SHA-256 of the function's package.

    Raises:
        BundleMissingError: it is not built.
    """
    path = folder / PACKAGE
    if not path.is_file():
        raise BundleMissingError(
            f"the planner's package is not built: {path} is not there; run `warmfleet service build`"
        )
    return hashlib.sha256(path.read_bytes()).digest()


def may_scale(
    bucket_arn: str, queue_arn: str, log_group_arn: str, key_arn: str, group_arns: list[str]
) -> list[Statement]:
    """Describing groups and reading metrics and quotas take no resource.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2autoscaling.html
    """
    return [
        statement(
            ["autoscaling:DescribeAutoScalingGroups", "cloudwatch:GetMetricData", "servicequotas:GetServiceQuota"],
            ["*"],
        ),
        statement(
            [
                "autoscaling:SetDesiredCapacity",
                "autoscaling:TerminateInstanceInAutoScalingGroup",
                "autoscaling:ResumeProcesses",
                "autoscaling:PutLifecycleHook",
            ],
            group_arns,
        ),
        statement(["s3:GetObject", "s3:PutObject"], [f"{bucket_arn}/{contract.SCALING_PREFIX}*"]),
        statement(
            ["s3:GetObject"],
            [f"{bucket_arn}/{prefix}*" for prefix in (contract.POINTERS_PREFIX, contract.LOADS_PREFIX)],
        ),
        # Without this S3 answers 403 instead of 404 for a state, or a pointer, that is not written yet.
        statement(["s3:ListBucket"], [bucket_arn]),
        statement(["sqs:ReceiveMessage", "sqs:DeleteMessage"], [queue_arn]),
        statement(["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group_arn}:log-stream:*"]),
        may_publish_metrics(),
        *([may_encrypt(key_arn)] if key_arn else []),
    ]
