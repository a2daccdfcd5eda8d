"""SNS topics, their policies and subscriptions."""

import json

from localcloud.provider.errors import GoneError
from localcloud.provider.handlers.ec2_tags import TAG_INPUTS, TAG_OUTPUTS, as_mapping, key_values, tag_outputs
from localcloud.provider.resource import AutoName, Aws, Handler, names
from localcloud.provider.values import Properties

_TEXTS = {"displayName": "DisplayName", "kmsMasterKeyId": "KmsMasterKeyId"}


class Topic(Handler):
    token = "aws:sns/topic:Topic"
    inputs = names("name displayName kmsMasterKeyId policy") | TAG_INPUTS
    outputs = names("arn owner") | inputs | TAG_OUTPUTS
    replaced_by = names("name")
    json_inputs = names("policy")
    auto_name = AutoName(longest=256)

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = {key: inputs[name] for name, key in (*_TEXTS.items(), ("policy", "Policy")) if name in inputs}
        reply = aws.client("sns").create_topic(
            Name=inputs["name"], Attributes=given, Tags=key_values(inputs.get("tags", {}))
        )
        return str(reply["TopicArn"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        sns = aws.client("sns")
        found = sns.get_topic_attributes(TopicArn=id_)["Attributes"]
        tags = as_mapping(sns.list_tags_for_resource(ResourceArn=id_)["Tags"])
        return {
            "arn": id_,
            "owner": found.get("Owner", ""),
            "name": id_.rpartition(":")[2],
            **{name: found[key] for name, key in _TEXTS.items() if found.get(key)},
            # A topic always has one, which can be a resource of its own as well: then it is no one's drift here.
            **({"policy": found["Policy"]} if "policy" in known or not known else {}),
            **tag_outputs(tags, aws),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        sns = aws.client("sns")
        for name, key in _TEXTS.items():
            sns.set_topic_attributes(TopicArn=id_, AttributeName=key, AttributeValue=inputs.get(name, ""))
        if "policy" in inputs:
            set_policy(aws, id_, inputs["policy"])
        elif "policy" in known:
            set_policy(aws, id_, first_policy(aws, id_))
        present, wanted = as_mapping(sns.list_tags_for_resource(ResourceArn=id_)["Tags"]), inputs.get("tags", {})
        if gone := [key for key in present if key not in wanted]:
            sns.untag_resource(ResourceArn=id_, TagKeys=gone)
        if wanted:
            sns.tag_resource(ResourceArn=id_, Tags=key_values(wanted))

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        aws.client("sns").delete_topic(TopicArn=id_)


class TopicPolicy(Handler):
    token = "aws:sns/topicPolicy:TopicPolicy"
    inputs = names("arn policy")
    outputs = inputs | names("owner region")
    replaced_by = names("arn")
    json_inputs = names("policy")

    def create(self, aws: Aws, inputs: Properties) -> str:
        set_policy(aws, inputs["arn"], inputs["policy"])
        return str(inputs["arn"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        found = aws.client("sns").get_topic_attributes(TopicArn=id_)["Attributes"]
        return {"arn": id_, "owner": found["Owner"], "policy": found["Policy"], "region": aws.region}

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        set_policy(aws, id_, inputs["policy"])

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        """A topic always has a policy: it gets back the one that it was made with."""
        set_policy(aws, id_, first_policy(aws, id_))


def set_policy(aws: Aws, arn: str, policy: str) -> None:
    """Say who may do what with a topic."""
    aws.client("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)


def first_policy(aws: Aws, arn: str) -> str:
    """What a new topic allows its owner.

    https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
    """
    calls = (
        "GetTopicAttributes SetTopicAttributes AddPermission RemovePermission DeleteTopic Subscribe "
        "ListSubscriptionsByTopic Publish"
    )
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{call}" for call in calls.split()],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": aws.account()}},
    }
    return json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})


class TopicSubscription(Handler):
    token = "aws:sns/topicSubscription:TopicSubscription"
    inputs = names("topic protocol endpoint")
    outputs = inputs | names("arn region")
    replaced_by = inputs

    def create(self, aws: Aws, inputs: Properties) -> str:
        reply = aws.client("sns").subscribe(
            TopicArn=inputs["topic"],
            Protocol=inputs["protocol"],
            Endpoint=inputs["endpoint"],
            ReturnSubscriptionArn=True,
        )
        return str(reply["SubscriptionArn"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        topic = id_.rpartition(":")[0]
        for page in aws.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic):
            for each in page["Subscriptions"]:
                if each["SubscriptionArn"] == id_:
                    return {
                        "arn": id_,
                        "topic": each["TopicArn"],
                        "protocol": each["Protocol"],
                        "endpoint": each["Endpoint"],
                        "region": aws.region,
                    }
        raise GoneError(id_)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        self.read(aws, id_, known)
        aws.client("sns").unsubscribe(SubscriptionArn=id_)
