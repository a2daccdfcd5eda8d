"""SQS, SNS and EventBridge."""

from infra.policies.aws_refuses.messages import ALLOW, QUEUE, RULE, SUBSCRIPTION, TARGET, TOPIC
from infra.policies.resource import UNKNOWN, Resource
from tests.unit.policies.cases.case import Case, text

DEAD = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:1:dead", "maxReceiveCount": 5}

CASES = [
    Case("queue-and-topic-names", QUEUE, {"name": "jobs", "fifoQueue": True}, {"name": "jobs.fifo", "fifoQueue": True}),
    Case("queue-and-topic-names", TOPIC, {"name": "a b"}, {"name": "a-b"}),
    Case(
        "fifo-properties",
        QUEUE,
        {"contentBasedDeduplication": True},
        {"contentBasedDeduplication": True, "fifoQueue": True},
    ),
    Case(
        "one-encryption",
        QUEUE,
        {"kmsMasterKeyId": UNKNOWN, "sqsManagedSseEnabled": True},
        {"kmsMasterKeyId": UNKNOWN, "sqsManagedSseEnabled": False},
    ),
    Case("dead-letters", QUEUE, {"redrivePolicy": text({**DEAD, "maxReceiveCount": 0})}, {"redrivePolicy": text(DEAD)}),
    Case(
        "dead-letters",
        QUEUE,
        {"fifoQueue": True, "redrivePolicy": UNKNOWN},
        {"fifoQueue": True, "redrivePolicy": UNKNOWN},
        [Resource(QUEUE, "dead", {})],
        {"redrivePolicy": ["dead"]},
        [Resource(QUEUE, "dead", {"fifoQueue": True})],
    ),
    Case(
        "dead-letters-from",
        ALLOW,
        {"redriveAllowPolicy": text({"redrivePermission": "byQueue"})},
        {"redriveAllowPolicy": text({"redrivePermission": "byQueue", "sourceQueueArns": ["arn:a"]})},
    ),
    Case("topic-deduplication", TOPIC, {"contentBasedDeduplication": True}, {"fifoTopic": True}),
    Case(
        "subscription-endpoints",
        SUBSCRIPTION,
        {"protocol": "https", "endpoint": "http://example.com"},
        {"protocol": "https", "endpoint": "https://example.com"},
    ),
    Case("subscription-filters", SUBSCRIPTION, {"filterPolicy": "[1]"}, {"filterPolicy": '{"kind": ["a"]}'}),
    Case("event-triggers", RULE, {"name": "r"}, {"eventPattern": text({"source": ["aws.ec2"]})}),
    Case("event-schedules", RULE, {"scheduleExpression": "rate(1 minutes)"}, {"scheduleExpression": "rate(1 minute)"}),
    Case(
        "event-schedules",
        RULE,
        {"scheduleExpression": "cron(0 9 * * *)"},
        {"scheduleExpression": "cron(0 9 * * ? *)"},
    ),
    Case("event-inputs", TARGET, {"input": "{}", "inputPath": "$.detail"}, {"inputPath": "$.detail"}),
]
