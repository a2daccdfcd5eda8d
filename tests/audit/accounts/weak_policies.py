"""Queues, topics and keys that are open or in the clear, and policies that grant too much."""

from localcloud.aws.in_process import LocalAws
from tests.audit.accounts.breaking import Break, name
from tests.audit.accounts.sound import FOR_EC2, document


def bare_queue(aws: LocalAws) -> str:
    queue = name()
    aws.client("sqs").create_queue(QueueName=queue, Attributes={"SqsManagedSseEnabled": "false"})
    return f"queue {queue}"


def public_queue(aws: LocalAws) -> str:
    queue = name()
    opened = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    aws.client("sqs").create_queue(QueueName=queue, Attributes={"Policy": document(opened)})
    return f"queue {queue}"


def public_topic(aws: LocalAws) -> str:
    topic = name()
    sns = aws.client("sns")
    arn = sns.create_topic(Name=topic)["TopicArn"]
    opened = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sns:Publish", "Resource": arn}
    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=document(opened))
    return f"topic {topic}"


def public_key(aws: LocalAws) -> str:
    """Never rotated, too."""
    opened = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}
    return f"key {aws.client('kms').create_key(Policy=document(opened))['KeyMetadata']['KeyId']}"


def key_that_ends(aws: LocalAws) -> str:
    label = public_key(aws)
    aws.client("kms").schedule_key_deletion(KeyId=label.split()[1])
    return label


def policy_granting(action: str, resource: str = "*") -> Break:
    def make(aws: LocalAws) -> str:
        policy = name()
        granted = {"Effect": "Allow", "Action": action, "Resource": resource}
        aws.client("iam").create_policy(PolicyName=policy, PolicyDocument=document(granted))
        return f"policy {policy}"

    return make


def role_granting(action: str, resource: str = "*") -> Break:
    def make(aws: LocalAws) -> str:
        role, iam = name(), aws.client("iam")
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=document(FOR_EC2))
        granted = {"Effect": "Allow", "Action": action, "Resource": resource}
        iam.put_role_policy(RoleName=role, PolicyName=role, PolicyDocument=document(granted))
        return f"role policy {role}"

    return make
