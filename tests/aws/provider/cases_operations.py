"""Cases of what operates a fleet: keys, queues, topics, rules, logs, alarms, budgets, parameters."""

import json

from localcloud.provider.values import Properties
from tests.aws.provider.case import GONE, Case, fixed
from tests.aws.provider.world import World

TAGS: Properties = {"kept": "yes"}
OTHER_TAGS: Properties = {"added": "yes"}
ACCOUNT = "123456789012"


def key_policy(*actions: str) -> str:
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def sends_to(resource: str, action: str) -> str:
    statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def queue(world: World) -> str:
    name = f"queue-{len(world.client('sqs').list_queues().get('QueueUrls', []))}"
    return str(world.client("sqs").create_queue(QueueName=name)["QueueUrl"])


def queue_arn(world: World) -> str:
    url = queue(world)
    found = world.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(found["Attributes"]["QueueArn"])


def key(world: World) -> str:
    return str(world.client("kms").create_key()["KeyMetadata"]["Arn"])


def topic(world: World) -> str:
    return str(world.client("sns").create_topic(Name=world.name("topic"))["TopicArn"])


def rule(world: World) -> str:
    name = world.name("rule")
    world.client("events").put_rule(Name=name, EventPattern=pattern("aws.ec2"))
    return name


def queue_settings(world: World) -> Properties:
    numbers = {"visibilityTimeoutSeconds": 60, "messageRetentionSeconds": 1209600, "receiveWaitTimeSeconds": 20}
    texts = {"redrivePolicy": redrive(world), "policy": sends_to("*", "sqs:SendMessage")}
    return {**numbers, **texts, "kmsMasterKeyId": key(world), "kmsDataKeyReusePeriodSeconds": 600, "tags": TAGS}


def other_queue_settings(world: World, inputs: Properties) -> Properties:
    gone: Properties = dict.fromkeys(("policy", "kmsMasterKeyId", "kmsDataKeyReusePeriodSeconds"), GONE)
    numbers = {"visibilityTimeoutSeconds": GONE, "maxMessageSize": 2048, "delaySeconds": 5}
    allow = json.dumps({"redrivePermission": "denyAll"})
    return {**gone, **numbers, "redrivePolicy": redrive(world, 5), "redriveAllowPolicy": allow, "tags": OTHER_TAGS}


def target(world: World) -> Properties:
    retries = {"maximumRetryAttempts": 3, "maximumEventAgeInSeconds": 3600}
    letters = {"arn": queue_arn(world)}
    return {"rule": rule(world), "arn": queue_arn(world), "deadLetterConfig": letters, "retryPolicy": retries}


def notification(kind: str, percent: float, **subscribers: list[str]) -> Properties:
    threshold = {"threshold": percent, "thresholdType": "PERCENTAGE", "comparisonOperator": "GREATER_THAN"}
    return {"notificationType": kind, **threshold, **subscribers}


def budget(world: World) -> Properties:
    by_mail = notification("FORECASTED", 99.5, subscriberEmailAddresses=["b@example.com", "a@example.com"])
    return {
        "budgetType": "COST",
        "limitAmount": "200",
        "limitUnit": "USD",
        "timeUnit": "MONTHLY",
        "timePeriodStart": "2026-01-01_00:00",
        "costFilters": [{"name": "Service", "values": ["Amazon Elastic Compute Cloud - Compute"]}],
        "notifications": [notification("ACTUAL", 80, subscriberSnsTopicArns=[topic(world)]), by_mail],
    }


def other_budget(world: World, inputs: Properties) -> Properties:
    kept, changed = inputs["notifications"]
    changed = {**changed, "subscriberEmailAddresses": ["c@example.com"]}
    added = notification("ACTUAL", 100, subscriberSnsTopicArns=[topic(world)])
    return {"limitAmount": "300.5", "timeUnit": "DAILY", "notifications": [added, kept, changed], "costFilters": GONE}


def pattern(source: str) -> str:
    return json.dumps({"source": [source]})


def redrive(world: World, count: int = 3) -> str:
    return json.dumps({"deadLetterTargetArn": queue_arn(world), "maxReceiveCount": count})


def queries(threshold_of: str) -> list[Properties]:
    metric = {
        "namespace": "AWS/SQS",
        "metricName": "Age",
        "stat": "Maximum",
        "period": 60,
        "dimensions": {"Queue": "q"},
    }
    return [
        {"id": "e", "expression": threshold_of, "label": "sum", "returnData": True},
        {"id": "m", "metric": metric, "returnData": False},
    ]


def dashboard(title: str) -> str:
    return json.dumps({"widgets": [{"type": "text", "properties": {"markdown": title}}]})


CASES: dict[str, Case] = {
    "aws:kms/key:Key": Case(
        lambda world: {
            "description": "one",
            "policy": key_policy("kms:*"),
            "enableKeyRotation": True,
            "rotationPeriodInDays": 180,
            "deletionWindowInDays": 7,
            "tags": TAGS,
        },
        fixed(
            description="two",
            policy=key_policy("kms:*", "kms:Decrypt"),
            enableKeyRotation=False,
            rotationPeriodInDays=GONE,
            deletionWindowInDays=30,
            tags=OTHER_TAGS,
        ),
    ),
    "aws:kms/alias:Alias": Case(
        lambda world: {"name": f"alias/{world.name()}", "targetKeyId": key(world)},
        lambda world, inputs: {"targetKeyId": key(world).rpartition("/")[2]},
    ),
    "aws:sqs/queue:Queue": Case(queue_settings, other_queue_settings),
    "aws:sqs/queuePolicy:QueuePolicy": Case(
        lambda world: {"queueUrl": queue(world), "policy": sends_to("*", "sqs:SendMessage")},
        fixed(policy=sends_to("*", "sqs:ReceiveMessage")),
    ),
    "aws:sqs/redrivePolicy:RedrivePolicy": Case(
        lambda world: {"queueUrl": queue(world), "redrivePolicy": redrive(world)},
        lambda world, inputs: {"redrivePolicy": redrive(world, 5)},
    ),
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy": Case(
        lambda world: {"queueUrl": queue(world), "redriveAllowPolicy": json.dumps({"redrivePermission": "denyAll"})},
        fixed(redriveAllowPolicy=json.dumps({"redrivePermission": "allowAll"})),
    ),
    "aws:sns/topic:Topic": Case(
        lambda world: {"displayName": "one", "kmsMasterKeyId": key(world), "tags": TAGS},
        fixed(displayName=GONE, kmsMasterKeyId="alias/aws/sns", policy=sends_to("*", "sns:Publish"), tags=OTHER_TAGS),
    ),
    "aws:sns/topicPolicy:TopicPolicy": Case(
        lambda world: {"arn": topic(world), "policy": sends_to("*", "sns:Publish")},
        fixed(policy=sends_to("*", "sns:Subscribe")),
    ),
    "aws:sns/topicSubscription:TopicSubscription": Case(
        lambda world: {"topic": topic(world), "protocol": "email", "endpoint": "ops@example.com"}
    ),
    "aws:cloudwatch/eventRule:EventRule": Case(
        lambda world: {"eventPattern": pattern("aws.ec2"), "state": "ENABLED", "tags": TAGS},
        fixed(eventPattern=pattern("aws.health"), state="DISABLED", description="new", tags=OTHER_TAGS),
    ),
    "aws:cloudwatch/eventTarget:EventTarget": Case(
        target, lambda world, inputs: {"arn": queue_arn(world), "deadLetterConfig": GONE, "retryPolicy": GONE}
    ),
    "aws:cloudwatch/logGroup:LogGroup": Case(
        lambda world: {"retentionInDays": 30, "kmsKeyId": key(world), "tags": TAGS},
        fixed(retentionInDays=90, kmsKeyId=GONE, tags=OTHER_TAGS),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Case(
        lambda world: {
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 3,
            "datapointsToAlarm": 3,
            "threshold": 0,
            "treatMissingData": "notBreaching",
            "alarmDescription": "one",
            "alarmActions": [topic(world)],
            "okActions": [topic(world)],
            "metricQueries": queries("m > 1"),
            "tags": TAGS,
        },
        fixed(metricQueries=queries("m > 2"), threshold=5, alarmDescription="two", tags=OTHER_TAGS),
    ),
    "aws:cloudwatch/dashboard:Dashboard": Case(
        lambda world: {"dashboardName": "fleet", "dashboardBody": dashboard("one")},
        fixed(dashboardBody=dashboard("two")),
        {"dashboardName": "other"},
    ),
    "aws:budgets/budget:Budget": Case(budget, other_budget),
    "aws:ssm/parameter:Parameter": Case(
        lambda world: {"type": "SecureString", "valueWo": "{}", "valueWoVersion": 1, "tags": TAGS},
        fixed(valueWoVersion=2, description="new", tags=OTHER_TAGS),
    ),
}
