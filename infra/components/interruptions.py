"""What AWS announces about instances, gathered in one queue for whoever has to react beyond a single node."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.policy_document import Condition, statement, tls_only, to_json

RETENTION_SECONDS = 3600  # an older notice is about an instance that is gone
SPOT_NOTICE, LAUNCH_FAILED = "spot-notice", "launch-failed"

# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html
# https://docs.aws.amazon.com/health/latest/ug/cloudwatch-events-health.html
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-event-reference.html
EVENTS: Mapping[str, Mapping[str, Any]] = {
    SPOT_NOTICE: {"source": ["aws.ec2"], "detail-type": ["EC2 Spot Instance Interruption Warning"]},
    "rebalance": {"source": ["aws.ec2"], "detail-type": ["EC2 Instance Rebalance Recommendation"]},
    "health": {"source": ["aws.health"], "detail-type": ["AWS Health Event"], "detail": {"service": ["EC2"]}},
    "lifecycle": {
        "source": ["aws.autoscaling"],
        "detail-type": ["EC2 Instance-launch Lifecycle Action", "EC2 Instance-terminate Lifecycle Action"],
    },
    LAUNCH_FAILED: {"source": ["aws.autoscaling"], "detail-type": ["EC2 Instance Launch Unsuccessful"]},
}


@dataclass(frozen=True)
class InterruptionsArgs:
    """`key_arn` is the customer managed key; None leaves the encryption to SQS."""

    key_arn: pulumi.Output[str] | None


class Interruptions(pulumi.ComponentResource):
    """EventBridge rules that lead to a queue. They see every instance of the account in the region."""

    url: pulumi.Output[str]
    arn: pulumi.Output[str]
    rules: dict[str, aws.cloudwatch.EventRule]

    def __init__(self, name: str, args: InterruptionsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:interruptions:Interruptions", name, None, opts)
        self._name = name
        self._child = pulumi.ResourceOptions(parent=self)
        queue = aws.sqs.Queue(
            name,
            message_retention_seconds=RETENTION_SECONDS,
            kms_master_key_id=args.key_arn,
            sqs_managed_sse_enabled=None if args.key_arn else True,
            opts=self._child,
        )
        self.rules = {event: self._rule(event, pattern) for event, pattern in EVENTS.items()}
        sources = pulumi.Output.all(queue.arn, *[rule.arn for rule in self.rules.values()])
        policy = aws.sqs.QueuePolicy(
            name,
            queue_url=queue.url,
            policy=sources.apply(lambda arns: senders(arns[0], arns[1:])),
            opts=self._child,
        )
        for event, rule in self.rules.items():
            aws.cloudwatch.EventTarget(
                f"{name}-{event}",
                rule=rule.name,
                arn=queue.arn,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
            )
        self.url, self.arn = queue.url, queue.arn
        self.register_outputs({"url": self.url})

    def _rule(self, event: str, pattern: Mapping[str, Any]) -> aws.cloudwatch.EventRule:
        return aws.cloudwatch.EventRule(f"{self._name}-{event}", event_pattern=json.dumps(pattern), opts=self._child)


def senders(queue_arn: str, rule_arns: list[str]) -> str:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html"""
    ours: Condition = {"ArnEquals": {"aws:SourceArn": sorted(rule_arns)}}
    return to_json(
        statement(["sqs:SendMessage"], [queue_arn], principal={"Service": "events.amazonaws.com"}, condition=ours),
        tls_only(["sqs:*"], [queue_arn]),
    )
