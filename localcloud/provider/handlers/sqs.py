"""SQS queues, and their policies as resources of their own."""

from typing import ClassVar

from localcloud.provider.errors import GoneError
from localcloud.provider.handlers.ec2_tags import TAG_INPUTS, TAG_OUTPUTS, tag_outputs
from localcloud.provider.resource import AutoName, Aws, Handler, names
from localcloud.provider.values import Properties

# Property: attribute and default, from SetQueueAttributes in the API reference.
_NUMBERS = {
    "visibilityTimeoutSeconds": ("VisibilityTimeout", 30),
    "messageRetentionSeconds": ("MessageRetentionPeriod", 345600),
    "receiveWaitTimeSeconds": ("ReceiveMessageWaitTimeSeconds", 0),
    "maxMessageSize": ("MaximumMessageSize", 1048576),
    "delaySeconds": ("DelaySeconds", 0),
    "kmsDataKeyReusePeriodSeconds": ("KmsDataKeyReusePeriodSeconds", 300),
}
# These can be resources of their own as well, and then are no one's drift here.
_POLICIES = {"redrivePolicy": "RedrivePolicy", "redriveAllowPolicy": "RedriveAllowPolicy", "policy": "Policy"}
_TEXTS = {**_POLICIES, "kmsMasterKeyId": "KmsMasterKeyId"}


class Queue(Handler):
    token = "aws:sqs/queue:Queue"
    inputs = names("name sqsManagedSseEnabled") | frozenset(_NUMBERS) | frozenset(_TEXTS) | TAG_INPUTS
    outputs = inputs | names("arn url") | TAG_OUTPUTS
    replaced_by = names("name")
    json_inputs = frozenset(_POLICIES)
    auto_name = AutoName(longest=80)

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = {"Attributes": _attributes(inputs), "tags": inputs.get("tags", {})}
        return str(aws.client("sqs").create_queue(QueueName=inputs["name"], **given)["QueueUrl"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        sqs = aws.client("sqs")
        found = sqs.get_queue_attributes(QueueUrl=id_, AttributeNames=["All"])["Attributes"]
        arn = found["QueueArn"]
        elsewhere = {name for name in _POLICIES if known and name not in known}
        texts = {name: found[key] for name, key in _TEXTS.items() if found.get(key) and name not in elsewhere}
        numbers = {name: int(found[key]) for name, (key, _) in _NUMBERS.items() if key in found}
        return {
            "arn": arn,
            "url": id_,
            "name": arn.rpartition(":")[2],
            "sqsManagedSseEnabled": found.get("SqsManagedSseEnabled") == "true",
            **numbers,
            **texts,
            **tag_outputs(sqs.list_queue_tags(QueueUrl=id_).get("Tags", {}), aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        sqs = aws.client("sqs")
        taken_out = {key: "" for name, key in _TEXTS.items() if name in known and name not in inputs}
        defaults = {
            key: str(default) for name, (key, default) in _NUMBERS.items() if name != "kmsDataKeyReusePeriodSeconds"
        }
        sqs.set_queue_attributes(QueueUrl=id_, Attributes={**defaults, **taken_out, **_attributes(inputs)})
        present, wanted = sqs.list_queue_tags(QueueUrl=id_).get("Tags", {}), inputs.get("tags", {})
        if gone := [key for key in present if key not in wanted]:
            sqs.untag_queue(QueueUrl=id_, TagKeys=gone)
        if wanted:
            sqs.tag_queue(QueueUrl=id_, Tags=wanted)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("sqs").delete_queue(QueueUrl=id_)


def _attributes(inputs: Properties) -> dict[str, str]:
    numbers = {key: str(inputs[name]) for name, (key, _) in _NUMBERS.items() if name in inputs}
    texts = {key: inputs[name] for name, key in _TEXTS.items() if name in inputs}
    managed = (
        {"SqsManagedSseEnabled": str(inputs["sqsManagedSseEnabled"]).lower()}
        if "sqsManagedSseEnabled" in inputs
        else {}
    )
    return numbers | texts | managed


class _QueueText(Handler):
    """One attribute of a queue as a resource whose id is the queue's URL."""

    property: ClassVar[str]
    attribute: ClassVar[str]
    replaced_by = names("queueUrl")

    def create(self, aws: Aws, inputs: Properties) -> str:
        self._set(aws, inputs["queueUrl"], inputs[self.property])
        return str(inputs["queueUrl"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        found = aws.client("sqs").get_queue_attributes(QueueUrl=id_, AttributeNames=["All"])["Attributes"]
        if not found.get(self.attribute):
            raise GoneError(id_)
        return {"queueUrl": id_, self.property: found[self.attribute], "region": aws.region}

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        self._set(aws, id_, inputs[self.property])

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        self._set(aws, id_, "")

    def _set(self, aws: Aws, url: str, text: str) -> None:
        aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={self.attribute: text})


class QueuePolicy(_QueueText):
    token = "aws:sqs/queuePolicy:QueuePolicy"
    property, attribute = "policy", "Policy"
    inputs = names("queueUrl policy")
    outputs = inputs | names("region")
    json_inputs = names("policy")


class RedrivePolicy(_QueueText):
    token = "aws:sqs/redrivePolicy:RedrivePolicy"
    property, attribute = "redrivePolicy", "RedrivePolicy"
    inputs = names("queueUrl redrivePolicy")
    outputs = inputs | names("region")
    json_inputs = names("redrivePolicy")


class RedriveAllowPolicy(_QueueText):
    token = "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy"
    property, attribute = "redriveAllowPolicy", "RedriveAllowPolicy"
    inputs = names("queueUrl redriveAllowPolicy")
    outputs = inputs | names("region")
    json_inputs = names("redriveAllowPolicy")
