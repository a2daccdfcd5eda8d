"""SQS, SNS and EventBridge."""

import json
import re
from collections.abc import Iterator
from typing import Any

from infra.policies.resource import Resource, Stack, known, number
from infra.policies.rule import among, between, exactly_one, only_with, rule, shown

QUEUE, REDRIVE = "aws:sqs/queue:Queue", "aws:sqs/redrivePolicy:RedrivePolicy"
ALLOW = "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy"
TOPIC, SUBSCRIPTION = "aws:sns/topic:Topic", "aws:sns/topicSubscription:TopicSubscription"
RULE, TARGET = "aws:cloudwatch/eventRule:EventRule", "aws:cloudwatch/eventTarget:EventTarget"

SQS = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"
DEAD = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html"
SNS = "https://docs.aws.amazon.com/sns/latest/api/"
EVENTS = "https://docs.aws.amazon.com/eventbridge/latest/"
NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")

LIMITS = [
    between(QUEUE, "visibilityTimeoutSeconds", 0, 43200, SQS),
    between(QUEUE, "messageRetentionSeconds", 60, 1209600, SQS),
    between(QUEUE, "delaySeconds", 0, 900, SQS),
    between(QUEUE, "receiveWaitTimeSeconds", 0, 20, SQS),
    between(QUEUE, "maxMessageSize", 1024, 1048576, SQS),
    between(QUEUE, "kmsDataKeyReusePeriodSeconds", 60, 86400, SQS),
    among(QUEUE, "deduplicationScope", ["messageGroup", "queue"], SQS),
    among(QUEUE, "fifoThroughputLimit", ["perQueue", "perMessageGroupId"], SQS),
    among(
        SUBSCRIPTION,
        "protocol",
        ["http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose"],
        f"{SNS}API_Subscribe.html",
    ),
    between(TARGET, "retryPolicy.maximumRetryAttempts", 0, 185, f"{EVENTS}APIReference/API_RetryPolicy.html"),
    between(TARGET, "retryPolicy.maximumEventAgeInSeconds", 60, 86400, f"{EVENTS}APIReference/API_RetryPolicy.html"),
]


@rule(QUEUE, TOPIC, source="https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html")
def queue_and_topic_names(resource: Resource) -> Iterator[str]:
    """Letters, digits, - and _, at most 80 (topics: 256); .fifo ends a FIFO's name and no other's."""
    name, fifo = resource.get("name"), resource.get("fifoQueue", resource.get("fifoTopic", False)) is True
    if not isinstance(name, str):
        return
    most = 80 if resource.type == QUEUE else 256
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{1,{most}}}", name.removesuffix(".fifo")) or len(name) > most:
        yield f"name is {shown(name)}; must be 1 to {most} of a-z, A-Z, 0-9, - and _"
    if fifo != name.endswith(".fifo"):
        yield f"name is {shown(name)}; must {'' if fifo else 'not '}end with .fifo"


@rule(QUEUE, source=SQS)
def fifo_properties(queue: Resource) -> Iterator[str]:
    """What belongs to FIFO queues alone."""
    fifo = queue.get("fifoQueue") is True or not known(queue.get("fifoQueue", False))
    for path in ("deduplicationScope", "fifoThroughputLimit"):
        yield from only_with(queue, path, fifo, "with fifoQueue true")
    if queue.get("contentBasedDeduplication") is True and not fifo:
        yield "contentBasedDeduplication is true; only with fifoQueue true: take it out"
    if queue.get("fifoThroughputLimit") == "perMessageGroupId" and queue.get("deduplicationScope") != "messageGroup":
        yield "fifoThroughputLimit is perMessageGroupId; needs deduplicationScope messageGroup"


@rule(QUEUE, source=SQS)
def one_encryption(queue: Resource) -> Iterator[str]:
    """SQS's own keys or one of KMS."""
    if queue.has("kmsMasterKeyId") and queue.get("sqsManagedSseEnabled") is True:
        yield "kmsMasterKeyId and sqsManagedSseEnabled given; give one of them"


@rule(QUEUE, REDRIVE, source=DEAD)
def dead_letters(queue: Resource, stack: Stack) -> Iterator[str]:
    """A target of the same kind, after 1 to 1000 receives."""
    for place, value in queue.known("redrivePolicy"):
        policy = _document(value)
        if policy is None:
            yield f"{place} is {shown(value)}; must be a JSON object"
            return
        if "deadLetterTargetArn" not in policy:
            yield f"{place} has no deadLetterTargetArn; give the ARN of the queue for dead letters"
        receives = number(policy.get("maxReceiveCount"))
        if receives is None or not 1 <= receives <= 1000:
            yield f"{place} has maxReceiveCount {policy.get('maxReceiveCount')}; must be 1 to 1000"
        yield from _same_kind(queue, str(policy.get("deadLetterTargetArn", "")))
    for dead in stack.behind(queue, "redrivePolicy", QUEUE):
        if (
            queue.type == QUEUE
            and dead is not queue
            and (dead.get("fifoQueue") is True) != (queue.get("fifoQueue") is True)
        ):
            yield f"dead letters go to {dead.name}, which is of another kind; both must be FIFO, or neither"


def _same_kind(queue: Resource, arn: str) -> Iterator[str]:
    if arn.startswith("arn:") and queue.type == QUEUE and arn.endswith(".fifo") != (queue.get("fifoQueue") is True):
        yield f"deadLetterTargetArn is {arn}, which is of another kind; both must be FIFO, or neither"


@rule(QUEUE, ALLOW, source=DEAD)
def dead_letters_from(queue: Resource) -> Iterator[str]:
    """allowAll, denyAll, or byQueue with 1 to 10 queues."""
    for place, value in queue.known("redriveAllowPolicy"):
        policy = _document(value)
        permission = None if policy is None else policy.get("redrivePermission")
        if policy is None or permission not in ("allowAll", "denyAll", "byQueue"):
            yield f"{place} has redrivePermission {permission}; must be allowAll, denyAll or byQueue"
            return
        sources = policy.get("sourceQueueArns") or []
        if (permission == "byQueue") != bool(sources) or len(sources) > 10:
            yield f"{place}: {permission} with {len(sources)} sourceQueueArns; byQueue has 1 to 10, the others none"


@rule(TOPIC, source=f"{SNS}API_CreateTopic.html")
def topic_deduplication(topic: Resource) -> Iterator[str]:
    """What belongs to FIFO topics alone."""
    if topic.get("contentBasedDeduplication") is True and topic.get("fifoTopic") is not True:
        yield "contentBasedDeduplication is true; only with fifoTopic true: take it out"


@rule(SUBSCRIPTION, source=f"{SNS}API_Subscribe.html")
def subscription_endpoints(subscription: Resource) -> Iterator[str]:
    """An endpoint of the protocol's kind."""
    forms = {
        "email": r"[^@\s]+@[^@\s]+\.[^@\s]+",
        "email-json": r"[^@\s]+@[^@\s]+\.[^@\s]+",
        "http": r"http://.+",
        "https": r"https://.+",
        "sqs": r"arn:[^:]+:sqs:.+",
        "lambda": r"arn:[^:]+:lambda:.+",
        "firehose": r"arn:[^:]+:firehose:.+",
        "sms": r"\+?[0-9-]+",
    }
    protocol, endpoint = subscription.get("protocol"), subscription.get("endpoint")
    if isinstance(endpoint, str) and protocol in forms and not re.fullmatch(forms[protocol], endpoint):
        yield f"endpoint is {shown(endpoint)}; must be one for protocol {protocol}"
    if protocol == "firehose" and not subscription.has("subscriptionRoleArn"):
        yield "protocol is firehose without subscriptionRoleArn; give the role"


@rule(SUBSCRIPTION, source="https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering.html")
def subscription_filters(subscription: Resource) -> Iterator[str]:
    """A filter is a JSON object, and a scope belongs to one."""
    for place, value in subscription.known("filterPolicy"):
        if value and _document(value) is None:
            yield f"{place} is {shown(value)}; must be a JSON object"
    holds = subscription.has("filterPolicy")
    yield from only_with(subscription, "filterPolicyScope", holds, "with filterPolicy")


@rule(RULE, source=f"{EVENTS}APIReference/API_PutRule.html")
def event_triggers(each: Resource) -> Iterator[str]:
    """A pattern, a schedule, or both."""
    if not each.has("eventPattern") and not each.has("scheduleExpression"):
        yield "none of eventPattern or scheduleExpression given; give at least one"
    for place, value in each.known("eventPattern"):
        if value and _document(value) is None:
            yield f"{place} is {shown(value)}; must be a JSON object"
    bus = each.get("eventBusName", "default")
    if bus != "default" and each.has("scheduleExpression"):
        yield f"scheduleExpression on bus {bus}; must be the default bus"


@rule(RULE, source=f"{EVENTS}userguide/eb-scheduled-rule-pattern.html")
def event_schedules(each: Resource) -> Iterator[str]:
    """rate(1 minute), rate(5 minutes), or cron with six fields of which one day is a question mark."""
    for place, value in each.known("scheduleExpression"):
        if value and (wrong := _schedule(str(value))):
            yield f"{place} is {shown(value)}; {wrong}"


def _schedule(text: str) -> str:
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)(s?)\)", text):
        count = int(rate[1])
        plural = "s" if count != 1 else ""
        return "" if count >= 1 and plural == rate[3] else f"must be rate({max(count, 1)} {rate[2]}{plural})"
    cron = re.fullmatch(r"cron\((.+)\)", text)
    if not cron:
        return "must be rate(N minutes) or cron(minutes hours day-of-month month day-of-week year)"
    fields = cron[1].split()
    if len(fields) != 6:
        return f"cron has {len(fields)} fields; must be six: minutes hours day-of-month month day-of-week year"
    return "" if (fields[2] == "?") != (fields[4] == "?") else "one of day-of-month and day-of-week must be ?"


@rule(TARGET, source=f"{EVENTS}APIReference/API_Target.html")
def event_inputs(each: Resource) -> Iterator[str]:
    """One kind of input at most; a FIFO queue needs a group."""
    paths = ["input", "inputPath", "inputTransformer"]
    if len([path for path in paths if each.has(path)]) > 1:
        yield from exactly_one(each, paths)
    arn = each.get("arn")
    if isinstance(arn, str) and arn.endswith(".fifo") and not each.has("sqsTarget.messageGroupId"):
        yield "arn is a FIFO queue without sqsTarget.messageGroupId; give a group"


def _document(value: object) -> dict[str, Any] | None:
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
