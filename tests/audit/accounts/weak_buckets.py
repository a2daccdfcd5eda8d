"""Buckets as they are without settings, and trails and tables in the same state."""

from localcloud.aws.in_process import LocalAws
from tests.audit.accounts.breaking import Break, name
from tests.audit.accounts.sound import TABLE, document

EVERYBODY = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'


def bare_bucket(aws: LocalAws) -> str:
    """As S3 was before 2023: nothing but a name."""
    bucket = name()
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=bucket, ObjectOwnership="ObjectWriter")
    return f"bucket {bucket}"


def bucket_open_by_acl(aws: LocalAws) -> str:
    """Everybody may write; no policy says so."""
    label = bare_bucket(aws)
    aws.client("s3").put_bucket_acl(Bucket=label.split()[1], GrantWrite=EVERYBODY)
    return label


def bucket_for(*actions: str) -> Break:
    """Open to everybody for these actions, by its policy."""

    def make(aws: LocalAws) -> str:
        label = bare_bucket(aws)
        bucket = label.split()[1]
        opened = {"Effect": "Allow", "Principal": "*", "Action": list(actions)}
        opened["Resource"] = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=document(opened))
        return label

    return make


def _trail(aws: LocalAws) -> tuple[str, str]:
    """One region, neither encrypted nor validated, in a bare bucket: label of the trail, and of the bucket."""
    trail, bucket = name(), bare_bucket(aws)
    aws.client("cloudtrail").create_trail(Name=trail, S3BucketName=bucket.split()[1])
    return f"trail {trail}", bucket


def bare_trail(aws: LocalAws) -> str:
    return _trail(aws)[0]


def bucket_of_a_trail(aws: LocalAws) -> str:
    return _trail(aws)[1]


def bare_table(aws: LocalAws) -> str:
    table = name()
    aws.client("dynamodb").create_table(**TABLE, TableName=table)
    return f"table {table}"
