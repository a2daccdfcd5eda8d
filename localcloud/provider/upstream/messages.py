"""SQS, SNS, EventBridge. Of a redrive policy and an event pattern the provider wants JSON, whatever it says."""

from localcloud.provider.upstream.checks import AtLeastOne, Check, Conflict, Value
from localcloud.provider.upstream.forms import ARN, JSON, Form, between, length, matching, name, one_of

_POLICY: tuple[Check, ...] = (Value("policy", JSON),)


def _event_name() -> Form:
    return name(64, "0-9A-Za-z_.-", "letters, digits, _, . and -")


def _named(most: int) -> Form:
    """A queue's or topic's name; one that is left empty is made up."""
    return matching(
        rf"[0-9A-Za-z_-]{{0,{most}}}|[0-9A-Za-z_-]{{1,{most - 5}}}\.fifo",
        f"at most {most} of letters, digits, _ and -, of a FIFO with .fifo at the end",
        ("a" * most, "a" * (most - 5) + ".fifo"),
        ("a" * (most + 1), "a name?", "a" * (most - 4) + ".fifo"),
    )


QUEUE: tuple[Check, ...] = (
    Conflict(("kmsMasterKeyId", "sqsManagedSseEnabled")),
    Value("name", _named(80)),
    Value("delaySeconds", between(0, 900)),
    Value("kmsDataKeyReusePeriodSeconds", between(60, 86_400)),
    Value("maxMessageSize", between(1024, 1_048_576)),
    Value("messageRetentionSeconds", between(60, 1_209_600)),
    Value("visibilityTimeoutSeconds", between(0, 43_200)),
    Value("policy", JSON),
    Value("redrivePolicy", JSON),
    Value("redriveAllowPolicy", JSON),
)
TOPIC: tuple[Check, ...] = (
    Value("name", _named(256)),
    Value("policy", JSON),
)
SUBSCRIPTION: tuple[Check, ...] = (
    Value(
        "protocol",
        one_of("application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs"),
    ),
    Value("topic", ARN),
)
RULE: tuple[Check, ...] = (
    AtLeastOne(("scheduleExpression", "eventPattern")),
    Value("description", length(0, 512)),
    Value("eventPattern", JSON),
    Value("name", _event_name()),
    Value("state", one_of("ENABLED", "DISABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")),
)
TARGET: tuple[Check, ...] = (
    Value("arn", ARN),
    Value("deadLetterConfig.arn", ARN),
    Value("retryPolicy.maximumEventAgeInSeconds", between(0, 86_400)),
    Value("retryPolicy.maximumRetryAttempts", between(0, 185)),
    Value("rule", _event_name()),
    Value("targetId", _event_name()),
)
TABLE: dict[str, tuple[str, tuple[Check, ...]]] = {
    "aws:sqs/queue:Queue": ("sqs/queue.go", QUEUE),
    "aws:sqs/queuePolicy:QueuePolicy": ("sqs/queue_policy.go", _POLICY),
    "aws:sns/topic:Topic": ("sns/topic.go", TOPIC),
    "aws:sns/topicPolicy:TopicPolicy": ("sns/topic_policy.go", (Value("arn", ARN), *_POLICY)),
    "aws:sns/topicSubscription:TopicSubscription": ("sns/topic_subscription.go", SUBSCRIPTION),
    "aws:cloudwatch/eventRule:EventRule": ("events/rule.go", RULE),
    "aws:cloudwatch/eventTarget:EventTarget": ("events/target.go", TARGET),
}
