"""An account in which no control finds anything: one resource of each kind, as the standards want it."""

import json
from typing import Any

from localcloud.aws.cloud import ACCOUNT
from localcloud.aws.in_process import LocalAws
from tests.audit.accounts.sound_network import a_network, templates_and_groups
from tests.audit.controls.buckets import account_is_closed

CLOSED = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/recorder"
LOG_GROUP = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:trail:*"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/stands-for-one"
FOR_EC2 = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def ours(arn: str, action: str) -> dict[str, Any]:
    """The account may."""
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    return {"Effect": "Allow", "Action": action, "Principal": principal, "Resource": arn}


def build(aws: LocalAws) -> None:
    """Everything."""
    shut_the_account(aws)
    for name in ("models", "accesses"):
        bucket(aws, name)
    network = a_network(aws)
    role(aws)
    key = messages(aws)
    records(aws, key)
    templates_and_groups(aws, network, key)
    aws.client("dynamodb").create_table(**TABLE, TableName="sound", DeletionProtectionEnabled=True)
    backups = {"PointInTimeRecoveryEnabled": True}
    aws.client("dynamodb").update_continuous_backups(TableName="sound", PointInTimeRecoverySpecification=backups)


TABLE: dict[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def shut_the_account(aws: LocalAws) -> None:
    list(account_is_closed(aws))  # teaches the client the way to the endpoint
    aws.client("s3control").put_public_access_block(AccountId=ACCOUNT, PublicAccessBlockConfiguration=CLOSED)
    aws.client("ec2").enable_ebs_encryption_by_default()


def bucket(aws: LocalAws, name: str) -> None:
    s3, arn = aws.client("s3"), f"arn:aws:s3:::{name}"
    s3.create_bucket(Bucket=name, ObjectOwnership="BucketOwnerEnforced")
    tls: dict[str, Any] = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}
    tls["Condition"] = {"Bool": {"aws:SecureTransport": "false"}}
    s3.put_bucket_policy(Bucket=name, Policy=document(tls, ours(arn, "s3:PutBucketPolicy"), _logs(arn)))
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=CLOSED)
    s3.put_bucket_logging(
        Bucket=name, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": name, "TargetPrefix": "log/"}}
    )
    rule = {"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 9}}
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [rule]})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=encryption)


def role(aws: LocalAws) -> None:
    """One that Systems Manager reaches, one policy inside it and one beside it."""
    iam = aws.client("iam")
    iam.create_role(RoleName="node", AssumeRolePolicyDocument=document(FOR_EC2))
    agent = ["ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:OpenControlChannel"]
    reached = {"Effect": "Allow", "Action": agent, "Resource": "*"}
    decrypts = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": KEY}
    iam.put_role_policy(RoleName="node", PolicyName="inside", PolicyDocument=document(reached, decrypts))
    iam.create_policy(PolicyName="beside", PolicyDocument=document(decrypts))
    iam.create_instance_profile(InstanceProfileName="node")
    iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")


def _logs(arn: str) -> dict[str, Any]:
    services = ["logdelivery.elasticloadbalancing.amazonaws.com", "logging.s3.amazonaws.com"]
    places = [f"{arn}/AWSLogs/{ACCOUNT}/*", f"{arn}/log/*"]
    return {"Effect": "Allow", "Action": "s3:PutObject", "Principal": {"Service": services}, "Resource": places}


def messages(aws: LocalAws) -> str:
    """A queue and a topic, both encrypted; the key's ARN."""
    kms, sqs, sns = aws.client("kms"), aws.client("sqs"), aws.client("sns")
    key = kms.create_key(Policy=document(ours("*", "kms:*")))["KeyMetadata"]
    kms.enable_key_rotation(KeyId=key["KeyId"])
    policy = document(ours("*", "sqs:SendMessage"))
    sqs.create_queue(QueueName="sound", Attributes={"KmsMasterKeyId": key["Arn"], "Policy": policy})
    topic = sns.create_topic(Name="sound", Attributes={"KmsMasterKeyId": key["Arn"]})["TopicArn"]
    sns.set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=document(ours(topic, "sns:Publish"))
    )
    return str(key["Arn"])


def records(aws: LocalAws, key: str) -> None:
    """A trail of everything, objects included, and Config."""
    trail = aws.client("cloudtrail")
    aws.client("logs").create_log_group(logGroupName="trail")
    made = trail.create_trail(
        Name="sound",
        S3BucketName="accesses",
        IsMultiRegionTrail=True,
        EnableLogFileValidation=True,
        CloudWatchLogsLogGroupArn=LOG_GROUP,
        CloudWatchLogsRoleArn=ROLE,
        KmsKeyId=key,
    )
    trail.start_logging(Name=made["TrailARN"])
    objects = [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]
    selector = {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": objects}
    trail.put_event_selectors(TrailName=made["TrailARN"], EventSelectors=[selector])
    config = aws.client("config")
    everything = {"allSupported": True, "includeGlobalResourceTypes": True}
    config.put_configuration_recorder(
        ConfigurationRecorder={"name": "sound", "roleARN": ROLE, "recordingGroup": everything}
    )
    config.put_delivery_channel(DeliveryChannel={"name": "sound", "s3BucketName": "accesses"})
    config.start_configuration_recorder(ConfigurationRecorderName="sound")
