"""EventBridge rules and their targets, on the default bus."""

from typing import Any

from localcloud.provider.errors import GoneError, ProviderError
from localcloud.provider.handlers.ec2_tags import TAG_INPUTS, TAG_OUTPUTS, as_mapping, key_values, tag_outputs
from localcloud.provider.resource import AutoName, Aws, Handler, camel, chosen, names
from localcloud.provider.values import Properties

ENABLED = "ENABLED"
_WHEN = {"eventPattern": "EventPattern", "scheduleExpression": "ScheduleExpression"}


class EventRule(Handler):
    token = "aws:cloudwatch/eventRule:EventRule"
    inputs = names("name description eventPattern scheduleExpression state") | TAG_INPUTS
    outputs = names("arn") | inputs | TAG_OUTPUTS
    replaced_by = names("name")
    json_inputs = names("eventPattern")
    auto_name = AutoName(longest=64)

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._put(aws, inputs)
        return str(inputs["name"])

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        if tags := inputs.get("tags"):
            arn = aws.client("events").describe_rule(Name=id_)["Arn"]
            aws.client("events").tag_resource(ResourceARN=arn, Tags=key_values(tags))

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        events = aws.client("events")
        rule = events.describe_rule(Name=id_)
        return {
            "arn": rule["Arn"],
            "name": rule["Name"],
            "state": rule["State"],
            **{name: rule[key] for name, key in _WHEN.items() if rule.get(key)},
            **({"description": rule["Description"]} if rule.get("Description") else {}),
            **tag_outputs(as_mapping(events.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]), aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        self._put(aws, inputs)
        self.complete(aws, id_, inputs)
        events, arn = aws.client("events"), known["arn"]
        present = as_mapping(events.list_tags_for_resource(ResourceARN=arn)["Tags"])
        if gone := [key for key in present if key not in inputs.get("tags", {})]:
            events.untag_resource(ResourceARN=arn, TagKeys=gone)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("events").delete_rule(Name=id_)

    @staticmethod
    def _put(aws: Aws, inputs: Properties) -> None:
        aws.client("events").put_rule(
            Name=inputs["name"],
            **{key: inputs[name] for name, key in _WHEN.items() if inputs.get(name)},
            State=inputs.get("state", ENABLED),
            Description=inputs.get("description", ""),
        )


class EventTarget(Handler):
    token = "aws:cloudwatch/eventTarget:EventTarget"
    inputs = names("rule targetId arn deadLetterConfig.arn retryPolicy.maximumEventAgeInSeconds") | names(
        "retryPolicy.maximumRetryAttempts"
    )
    outputs = names("rule targetId arn deadLetterConfig retryPolicy region")
    replaced_by = names("rule targetId")
    auto_name = AutoName("targetId", longest=64)

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._put(aws, inputs)
        return f"{inputs['rule']}-{inputs['targetId']}"

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        rule, target = (known["rule"], known["targetId"]) if "rule" in known else id_.partition("/")[::2]
        for each in aws.client("events").list_targets_by_rule(Rule=rule)["Targets"]:
            if each["Id"] == target:
                settings = camel({key: each[key] for key in ("DeadLetterConfig", "RetryPolicy") if key in each})
                return {"rule": rule, "targetId": target, "arn": each["Arn"], "region": aws.region, **settings}
        raise GoneError(id_)

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        self._put(aws, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        self.read(aws, id_, known)
        aws.client("events").remove_targets(Rule=known["rule"], Ids=[known["targetId"]])

    @staticmethod
    def _put(aws: Aws, inputs: Properties) -> None:
        target: dict[str, Any] = chosen(inputs, ("arn", "deadLetterConfig", "retryPolicy"))
        target["Id"] = inputs["targetId"]
        for each in aws.client("events").put_targets(Rule=inputs["rule"], Targets=[target]).get("FailedEntries", []):
            raise ProviderError(f"{inputs['arn']} cannot be a target of {inputs['rule']}: {each['ErrorMessage']}")
