"""S3 buckets and the settings that are resources of their own."""

from typing import Any, ClassVar

from botocore.exceptions import ClientError

from localcloud.provider.errors import GoneError, ProviderError
from localcloud.provider.handlers.ec2_tags import TAG_INPUTS, TAG_OUTPUTS, as_mapping, key_values, tag_outputs
from localcloud.provider.not_found import is_not_found
from localcloud.provider.resource import AutoName, Aws, Handler, camel, names, pascal
from localcloud.provider.values import Properties

MOST_ATTEMPTS = 10  # to end a bucket that fills again
PAGE = 1000  # the most that DeleteObjects takes


class Bucket(Handler):
    token = "aws:s3/bucket:Bucket"
    inputs = names("bucket forceDestroy") | TAG_INPUTS
    outputs = names("arn bucket bucketDomainName bucketRegion bucketRegionalDomainName") | TAG_OUTPUTS
    replaced_by = names("bucket")
    auto_name = AutoName("bucket", longest=63, lower_case=True)

    def create(self, aws: Aws, inputs: Properties) -> str:
        # us-east-1 is the one region that must not be named.
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": aws.region}}
        given = {} if aws.region == "us-east-1" else elsewhere
        if not given and _exists(aws.client("s3"), inputs["bucket"]):
            # There S3 answers 200 for a bucket that one has already (CreateBucket in the API reference, error
            # BucketAlreadyOwnedByYou): it would get two owners.
            raise ProviderError(f"the bucket {inputs['bucket']} exists already; give another name, or import it")
        aws.client("s3").create_bucket(Bucket=inputs["bucket"], **given)
        return str(inputs["bucket"])

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        if tags := inputs.get("tags"):
            aws.client("s3").put_bucket_tagging(Bucket=id_, Tagging={"TagSet": key_values(tags)})
        else:
            aws.client("s3").delete_bucket_tagging(Bucket=id_)

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        s3 = aws.client("s3")
        s3.head_bucket(Bucket=id_)
        return {
            "arn": f"arn:aws:s3:::{id_}",
            "bucket": id_,
            "bucketDomainName": f"{id_}.s3.amazonaws.com",
            "bucketRegion": aws.region,
            "bucketRegionalDomainName": f"{id_}.s3.{aws.region}.amazonaws.com",
            **tag_outputs(_tags(s3, id_), aws),
        }

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        """More may come while a bucket is emptied, such as logs that are still delivered: then it is emptied again.

        As the provider does: resourceBucketDelete in internal/service/s3/bucket.go of hashicorp/terraform-provider-aws.
        """
        s3 = aws.client("s3")
        for attempt in range(MOST_ATTEMPTS):
            if known.get("forceDestroy"):
                delete_versions(s3, id_, "")
            try:
                s3.delete_bucket(Bucket=id_)
                return
            except ClientError as error:
                again = known.get("forceDestroy") and attempt + 1 < MOST_ATTEMPTS
                if error.response["Error"]["Code"] != "BucketNotEmpty" or not again:
                    raise


def delete_versions(s3: Any, bucket: str, prefix: str, key: str | None = None) -> None:
    """Delete every version and delete marker below `prefix`; of one `key` alone if given."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found if key in (None, each["Key"])]
        for start in range(0, len(objects), PAGE):
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects[start : start + PAGE], "Quiet": True})


def _exists(s3: Any, bucket: str) -> bool:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if is_not_found(error):
            return False
        raise
    return True


def _tags(s3: Any, bucket: str) -> dict[str, str]:
    try:
        return as_mapping(s3.get_bucket_tagging(Bucket=bucket)["TagSet"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchTagSet":
            return {}
        raise


class _Setting(Handler):
    """One setting of a bucket, as a resource whose id is the bucket's name; written by one put."""

    replaced_by = names("bucket")
    put: ClassVar[str]
    remove: ClassVar[str]

    def create(self, aws: Aws, inputs: Properties) -> str:
        getattr(aws.client("s3"), self.put)(Bucket=inputs["bucket"], **self.body(inputs))
        return str(inputs["bucket"])

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        self.create(aws, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        getattr(aws.client("s3"), self.remove)(Bucket=id_)

    def body(self, inputs: Properties) -> dict[str, Any]:
        """The put call's argument beside the bucket."""
        raise NotImplementedError


class BucketVersioning(_Setting):
    token = "aws:s3/bucketVersioning:BucketVersioning"
    inputs = names("bucket versioningConfiguration.status")
    outputs = names("bucket versioningConfiguration region")
    put = "put_bucket_versioning"

    def body(self, inputs: Properties) -> dict[str, Any]:
        return {"VersioningConfiguration": {"Status": inputs["versioningConfiguration"]["status"]}}

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        status = aws.client("s3").get_bucket_versioning(Bucket=id_).get("Status", "Disabled")
        return {"bucket": id_, "versioningConfiguration": {"status": status}, "region": aws.region}

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        # Versioning once enabled can only be suspended.
        body = {"VersioningConfiguration": {"Status": "Suspended"}}
        aws.client("s3").put_bucket_versioning(Bucket=id_, **body)


class BucketServerSideEncryptionConfiguration(_Setting):
    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    inputs = names("""bucket rules.bucketKeyEnabled rules.applyServerSideEncryptionByDefault.sseAlgorithm
        rules.applyServerSideEncryptionByDefault.kmsMasterKeyId""")
    outputs = names("bucket rules region")
    put = "put_bucket_encryption"
    remove = "delete_bucket_encryption"
    renamed: ClassVar = {"sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"}

    def body(self, inputs: Properties) -> dict[str, Any]:
        return {"ServerSideEncryptionConfiguration": {"Rules": pascal(inputs["rules"], self.renamed)}}

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        reply = aws.client("s3").get_bucket_encryption(Bucket=id_)["ServerSideEncryptionConfiguration"]
        return {"bucket": id_, "rules": camel(reply["Rules"], self.renamed), "region": aws.region}


class BucketPublicAccessBlock(_Setting):
    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    flags: ClassVar = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    inputs = names("bucket blockPublicAcls blockPublicPolicy ignorePublicAcls restrictPublicBuckets")
    outputs = inputs | names("region")
    put = "put_public_access_block"
    remove = "delete_public_access_block"

    def body(self, inputs: Properties) -> dict[str, Any]:
        return {"PublicAccessBlockConfiguration": pascal({flag: inputs.get(flag, False) for flag in self.flags})}

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        reply = aws.client("s3").get_public_access_block(Bucket=id_)["PublicAccessBlockConfiguration"]
        return {"bucket": id_, **camel(reply), "region": aws.region}


class BucketOwnershipControls(_Setting):
    token = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    inputs = names("bucket rule.objectOwnership")
    outputs = names("bucket rule region")
    put = "put_bucket_ownership_controls"
    remove = "delete_bucket_ownership_controls"

    def body(self, inputs: Properties) -> dict[str, Any]:
        return {"OwnershipControls": {"Rules": [pascal(inputs["rule"])]}}

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        reply = aws.client("s3").get_bucket_ownership_controls(Bucket=id_)["OwnershipControls"]
        return {"bucket": id_, "rule": camel(reply["Rules"][0]), "region": aws.region}


class BucketLifecycleConfiguration(_Setting):
    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    inputs = names("""bucket rules.id rules.status rules.filter.prefix rules.filter.objectSizeGreaterThan
        rules.filter.objectSizeLessThan rules.expiration.days rules.expiration.expiredObjectDeleteMarker
        rules.noncurrentVersionExpiration.noncurrentDays rules.noncurrentVersionExpiration.newerNoncurrentVersions
        rules.abortIncompleteMultipartUpload.daysAfterInitiation""")
    outputs = names("bucket rules region")
    put = "put_bucket_lifecycle_configuration"
    remove = "delete_bucket_lifecycle"
    renamed: ClassVar = {"id": "ID"}

    def body(self, inputs: Properties) -> dict[str, Any]:
        # A rule without a filter is for the whole bucket; S3 wants that said as an empty prefix.
        rules = [{"filter": {"prefix": ""}, **rule} for rule in inputs.get("rules", [])]
        rules = [{**rule, "filter": rule["filter"] or {"prefix": ""}} for rule in rules]
        return {"LifecycleConfiguration": {"Rules": pascal(rules, self.renamed)}}

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        rules = aws.client("s3").get_bucket_lifecycle_configuration(Bucket=id_)["Rules"]
        return {"bucket": id_, "rules": camel(rules, self.renamed), "region": aws.region}


class BucketPolicy(_Setting):
    token = "aws:s3/bucketPolicy:BucketPolicy"
    inputs = names("bucket policy")
    outputs = names("bucket policy region")
    json_inputs = names("policy")
    put = "put_bucket_policy"
    remove = "delete_bucket_policy"

    def body(self, inputs: Properties) -> dict[str, Any]:
        return {"Policy": inputs["policy"]}

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        policy = aws.client("s3").get_bucket_policy(Bucket=id_)["Policy"]
        return {"bucket": id_, "policy": policy, "region": aws.region}


class BucketLogging(_Setting):
    """The settings are kept; no log is ever written here."""

    token = "aws:s3/bucketLogging:BucketLogging"
    inputs = names("bucket targetBucket targetPrefix")
    outputs = inputs | names("region")
    put = "put_bucket_logging"

    def body(self, inputs: Properties) -> dict[str, Any]:
        enabled = {"TargetBucket": inputs["targetBucket"], "TargetPrefix": inputs["targetPrefix"]}
        return {"BucketLoggingStatus": {"LoggingEnabled": enabled}}

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        found = aws.client("s3").get_bucket_logging(Bucket=id_).get("LoggingEnabled")
        if found is None:
            raise GoneError(id_)
        target = {"targetBucket": found["TargetBucket"], "targetPrefix": found.get("TargetPrefix") or ""}
        return {"bucket": id_, **target, "region": aws.region}

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        # S3 has no call that deletes them: empty ones turn logging off (PutBucketLogging in the API reference).
        aws.client("s3").put_bucket_logging(Bucket=id_, BucketLoggingStatus={})
