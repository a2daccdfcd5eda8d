"""What the lifecycle of every type does not show of keys, queues, topics, logs, alarms, budgets and parameters."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pulumi.runtime import MockResourceArgs

from localcloud.aws.in_process import LocalAws
from localcloud.provider import operations
from localcloud.provider.errors import ProviderError
from localcloud.provider.mocks import MotoMocks
from localcloud.provider.registry import handler_for
from localcloud.provider.resource import Aws
from localcloud.provider.values import Properties
from tests.aws.provider import cases_operations
from tests.aws.provider.cases_operations import key, queue, sends_to, topic
from tests.aws.provider.world import World

KEY, ALIAS, QUEUE = "aws:kms/key:Key", "aws:kms/alias:Alias", "aws:sqs/queue:Queue"
ALARM, BUDGET, GROUP = (
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:budgets/budget:Budget",
    "aws:cloudwatch/logGroup:LogGroup",
)
PARAMETER, TOPIC_POLICY = "aws:ssm/parameter:Parameter", "aws:sns/topicPolicy:TopicPolicy"
ONE_METRIC = {
    "comparisonOperator": "LessThanThreshold",
    "evaluationPeriods": 2,
    "threshold": 1.5,
    "namespace": "AWS/SQS",
    "metricName": "Age",
    "period": 60,
    "statistic": "Minimum",
    "dimensions": {"QueueName": "jobs"},
}


def made(aws: Aws, token: str, inputs: Properties) -> operations.Made:
    result = operations.create(handler_for(token), aws, inputs)
    assert result.failure == ""
    return result


def changed(aws: Aws, token: str, old: operations.Made, inputs: Properties) -> operations.Made:
    result = operations.update(handler_for(token), aws, old.id, inputs, old.state)
    assert result.failure == ""
    return result


def drift(aws: Aws, token: str, known: operations.Made, inputs: Properties) -> tuple[str, ...]:
    found = operations.read(handler_for(token), aws, known.id, inputs, known.state)
    assert found is not None
    return operations.difference(handler_for(token), found.inputs, inputs, ()).changed


def stored(world: World, name: str) -> str:
    return str(world.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])


def secret_parameter(world: World, **more: Any) -> Properties:
    return {"name": world.name("keys"), "type": "SecureString", "valueWo": "first", "valueWoVersion": 1, **more}


def test_a_write_only_value_is_written_and_is_in_no_output(aws: Aws, world: World) -> None:
    inputs, handler = secret_parameter(world), handler_for(PARAMETER)
    assert "first" not in operations.preview(handler, inputs).values()
    new = made(aws, PARAMETER, inputs)
    assert stored(world, inputs["name"]) == "first"
    after = changed(aws, PARAMETER, new, {**inputs, "valueWo": "second", "valueWoVersion": 2})
    assert stored(world, inputs["name"]) == "second"
    for state in (new.state, after.state, operations.preview(handler, inputs, new.state)):
        assert not {"value", "valueWo", "insecureValue"} & state.keys()
        assert state["hasValueWo"] is True
        assert not {"first", "second"} & {str(value) for value in state.values()}


def test_a_write_only_value_that_was_changed_elsewhere_is_no_drift_and_stays(aws: Aws, world: World) -> None:
    inputs = secret_parameter(world)
    new, name = made(aws, PARAMETER, inputs), inputs["name"]
    world.client("ssm").put_parameter(Name=name, Value="rotated", Type="SecureString", Overwrite=True)
    assert drift(aws, PARAMETER, new, inputs) == ()
    after = changed(aws, PARAMETER, new, {**inputs, "description": "of the gateways", "tags": {"more": "yes"}})
    assert (after.state["description"], stored(world, name)) == ("of the gateways", "rotated")


def test_a_write_only_value_is_written_again_only_with_another_version(aws: Aws, world: World) -> None:
    inputs = secret_parameter(world)
    other = {**inputs, "valueWo": "second"}
    assert not operations.difference(handler_for(PARAMETER), inputs, other, ()).changed
    bumped = operations.difference(handler_for(PARAMETER), inputs, {**other, "valueWoVersion": 2}, ())
    assert bumped.changed == ("valueWoVersion",)


@pytest.mark.parametrize("name", ["value", "insecureValue"])
def test_a_plain_value_that_was_changed_elsewhere_is_drift(name: str, aws: Aws, world: World) -> None:
    inputs = {"name": world.name("plain"), "type": "String", name: "one"}
    new = made(aws, PARAMETER, inputs)
    assert drift(aws, PARAMETER, new, inputs) == ()
    world.client("ssm").put_parameter(Name=inputs["name"], Value="two", Type="String", Overwrite=True)
    assert drift(aws, PARAMETER, new, inputs) == (name,)
    assert changed(aws, PARAMETER, new, {**inputs, name: "three"}).state[name] == "three"


def test_new_tags_are_no_new_version_of_a_parameter(aws: Aws, world: World) -> None:
    inputs = secret_parameter(world)
    after = changed(aws, PARAMETER, made(aws, PARAMETER, inputs), {**inputs, "tags": {"more": "yes"}})
    assert (after.state["version"], after.state["tags"]) == (1, {"more": "yes"})


def test_a_deleted_key_waits_as_long_as_it_was_told_and_reads_as_gone(aws: Aws, world: World) -> None:
    new = made(aws, KEY, {"deletionWindowInDays": 7})
    operations.delete(handler_for(KEY), aws, new.id, new.state)
    described = world.client("kms").describe_key(KeyId=new.id)["KeyMetadata"]
    assert described["KeyState"] == "PendingDeletion"
    assert round((described["DeletionDate"] - described["CreationDate"]).total_seconds() / 86400) == 7
    assert operations.read(handler_for(KEY), aws, new.id, {}, new.state) is None


def test_an_alias_says_what_its_name_has_to_begin_with(aws: Aws, world: World) -> None:
    with pytest.raises(ProviderError, match=r"'fleet' does not begin with alias/"):
        operations.create(handler_for(ALIAS), aws, {"name": "fleet", "targetKeyId": key(world)})


def test_an_alias_shows_no_change_where_its_key_is_named_by_arn(aws: Aws, world: World) -> None:
    inputs = {"name": f"alias/{world.name()}", "targetKeyId": key(world)}
    assert drift(aws, ALIAS, made(aws, ALIAS, inputs), inputs) == ()


def test_policies_that_are_resources_of_their_own_are_no_drift_of_their_queue(aws: Aws, world: World) -> None:
    inputs = {"name": world.name("queue")}
    new = made(aws, QUEUE, inputs)
    policy, allow = sends_to("*", "sqs:SendMessage"), json.dumps({"redrivePermission": "denyAll"})
    own = made(aws, "aws:sqs/queuePolicy:QueuePolicy", {"queueUrl": new.id, "policy": policy})
    made(aws, "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy", {"queueUrl": new.id, "redriveAllowPolicy": allow})
    assert drift(aws, QUEUE, new, inputs) == ()
    changed(aws, QUEUE, new, {**inputs, "delaySeconds": 5})
    assert drift(aws, "aws:sqs/queuePolicy:QueuePolicy", own, {"queueUrl": new.id, "policy": policy}) == ()


def test_a_queue_with_a_key_is_not_encrypted_by_sqs_as_well(aws: Aws, world: World) -> None:
    new = made(aws, QUEUE, {"name": world.name("queue"), "kmsMasterKeyId": key(world)})
    assert new.state["sqsManagedSseEnabled"] is False


def test_the_url_of_a_queue_can_be_used(aws: Aws, world: World, cloud: LocalAws) -> None:
    url, sqs = made(aws, QUEUE, {"name": world.name("queue")}).state["url"], world.client("sqs")
    assert url.startswith(cloud.url)
    sqs.send_message(QueueUrl=url, MessageBody="job")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "job"


def test_a_topic_whose_policy_is_deleted_has_its_first_one_again(aws: Aws, world: World) -> None:
    arn, sns = topic(world), world.client("sns")
    first = json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])
    new = made(aws, TOPIC_POLICY, {"arn": arn, "policy": sends_to(arn, "sns:Publish")})
    operations.delete(handler_for(TOPIC_POLICY), aws, new.id, new.state)
    assert json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]) == first


def test_a_log_group_gets_another_key(aws: Aws, world: World) -> None:
    inputs = {"name": world.name("logs")}
    new = made(aws, GROUP, inputs)
    with_key = {**inputs, "kmsKeyId": key(world)}
    after = changed(aws, GROUP, new, with_key)
    assert after.state["kmsKeyId"] == with_key["kmsKeyId"]
    assert "kmsKeyId" not in changed(aws, GROUP, after, inputs).state


def test_an_alarm_on_one_metric_reads_as_it_was_made_and_changes(aws: Aws, world: World) -> None:
    inputs = {"name": world.name("alarm"), **ONE_METRIC}
    new = made(aws, ALARM, inputs)
    assert {name: new.state[name] for name in inputs} == inputs
    assert drift(aws, ALARM, new, inputs) == ()
    other = {**inputs, "threshold": 2, "dimensions": {"QueueName": "other"}}
    assert drift(aws, ALARM, changed(aws, ALARM, new, other), other) == ()


def test_a_notification_that_somebody_took_away_is_drift_and_comes_back(aws: Aws, world: World) -> None:
    inputs = {"name": world.name("budget"), **cases_operations.budget(world)}
    new = made(aws, BUDGET, inputs)
    account, _, name = new.id.partition(":")
    budgets, key = world.client("budgets"), {"AccountId": account, "BudgetName": name}
    first = budgets.describe_notifications_for_budget(**key)["Notifications"][0]
    budgets.delete_notification(**key, Notification=first)
    assert drift(aws, BUDGET, new, inputs) == ("notifications",)
    assert drift(aws, BUDGET, changed(aws, BUDGET, new, inputs), inputs) == ()


def test_equal_limits_of_a_budget_are_no_change() -> None:
    assert handler_for(BUDGET).same("limitAmount", "200", "200.0")
    assert not handler_for(BUDGET).same("limitAmount", "200", "200.5")


@pytest.mark.parametrize("token", sorted(cases_operations.CASES))
def test_mocks_make_it_too(token: str, aws: Aws, world: World) -> None:
    given = cases_operations.CASES[token].inputs(world)
    arguments = MockResourceArgs(typ=token, name="mocked", inputs=given, provider="", resource_id="", custom=True)
    id_, state = MotoMocks(aws.client).new_resource(arguments)
    assert operations.read(handler_for(token), aws, id_, {}, state) is not None


def test_a_queue_that_is_gone_is_told_by_its_policy_too(aws: Aws, world: World) -> None:
    url = queue(world)
    new = made(aws, "aws:sqs/queuePolicy:QueuePolicy", {"queueUrl": url, "policy": sends_to("*", "sqs:SendMessage")})
    world.client("sqs").delete_queue(QueueUrl=url)
    with pytest.raises(ClientError):
        world.client("sqs").get_queue_attributes(QueueUrl=url)
    assert operations.read(handler_for("aws:sqs/queuePolicy:QueuePolicy"), aws, new.id, {}, new.state) is None
