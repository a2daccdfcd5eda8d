"""Where alarms and the budget are announced."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.policy_document import Condition, statement, tls_only, to_json


@dataclass(frozen=True)
class AlarmTopicArgs:
    """`email` may be empty; `key_arn` is the customer managed key, if any.

    Without one the topic is not encrypted: CloudWatch cannot publish to a topic with AWS's own key, and what alarms say
    is no secret (https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns).
    """

    account_id: str
    email: str
    key_arn: pulumi.Output[str] | None


class AlarmTopic(pulumi.ComponentResource):
    """An SNS topic that AWS's own services of this account may publish to."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: AlarmTopicArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:alarm_topic:AlarmTopic", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        topic = aws.sns.Topic(name, kms_master_key_id=args.key_arn, opts=child)
        policy = topic.arn.apply(lambda arn: publishers(arn, args.account_id))
        aws.sns.TopicPolicy(name, arn=topic.arn, policy=policy, opts=child)
        if args.email:
            aws.sns.TopicSubscription(name, topic=topic.arn, protocol="email", endpoint=args.email, opts=child)
        self.arn = topic.arn
        self.register_outputs({"arn": self.arn})


def publishers(topic_arn: str, account_id: str) -> str:
    """https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-sns-policy.html"""
    ours: Condition = {"StringEquals": {"aws:SourceAccount": account_id}}
    services = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]
    return to_json(
        statement(["sns:Publish"], [topic_arn], principal={"Service": services}, condition=ours),
        tls_only(["sns:Publish"], [topic_arn]),
    )
