"""Bucket policies in the local S3."""

import json

from localcloud.aws.in_process import LocalAws

BUCKET = "models"


def test_a_bucket_policy_is_kept_and_not_applied(aws: LocalAws) -> None:
    """No permission is checked here. moto alone applies policies without their conditions: this one would deny all."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    unless_encrypted = {"Bool": {"aws:SecureTransport": "false"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny | {"Condition": unless_encrypted}]})
    s3.put_bucket_policy(Bucket=BUCKET, Policy=policy)
    s3.put_object(Bucket=BUCKET, Key="key", Body=b"bytes")
    assert s3.get_object(Bucket=BUCKET, Key="key")["Body"].read() == b"bytes"
    assert s3.get_bucket_policy(Bucket=BUCKET)["Policy"] == policy
