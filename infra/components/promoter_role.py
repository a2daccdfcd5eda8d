"""Who says which model version is served, and with which compiled code."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from inference_service import contract
from infra.policy_document import may_encrypt, statement, to_json


@dataclass(frozen=True)
class PromoterRoleArgs:
    """The account whose users may take the role on, as far as their own permissions say so."""

    account_id: str
    environment: str


class PromoterRole(pulumi.ComponentResource):
    """Taken on by `warmfleet models activate` and `rollback`; and by `caches accept`; it has no other permission."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: PromoterRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warmfleet:promoter_role:PromoterRole", name, None, opts)
        self._name = name
        account = {"AWS": f"arn:aws:iam::{args.account_id}:root"}
        self._role = aws.iam.Role(
            name,
            path=path(args.environment),
            assume_role_policy=to_json(statement(["sts:AssumeRole"], [], principal=account)),
            description="Writes the pointers that name the served model versions, and accepts compiled code",
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = self._role.arn
        self.register_outputs({"arn": self.arn})

    def allow(self, bucket_arn: pulumi.Output[str], key_arn: pulumi.Output[str] | None) -> None:
        """Let the role write the pointers of a bucket, and read what they have to name: the versions' manifests."""
        given = pulumi.Output.all(bucket_arn, key_arn or "")
        aws.iam.RolePolicy(
            f"{self._name}-pointers",
            role=self._role.name,
            policy=given.apply(lambda each: may_promote(each[0], each[1])),
            opts=pulumi.ResourceOptions(parent=self),
        )


def path(environment: str) -> str:
    """The IAM path that holds the promoter of an environment and nothing else."""
    return f"/warmfleet/{environment}/"


def promoters(account_id: str, environment: str) -> str:
    """A pattern of the role's ARN. Policies of what outlives the role name it by this, so that they do not need it."""
    return f"arn:aws:iam::{account_id}:role{path(environment)}promoter-*"


def may_promote(bucket_arn: str, key_arn: str) -> str:
    """Listing makes a missing pointer a 404 instead of a 403. Offered code is read, and written anew as accepted."""
    caches = f"{bucket_arn}/{contract.CACHES_PREFIX}*"
    pointers = f"{bucket_arn}/{contract.POINTERS_PREFIX}*"
    return to_json(
        statement(["s3:GetObject", "s3:PutObject"], [pointers]),
        statement(["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], [caches]),
        statement(
            ["s3:GetObject"], [f"{bucket_arn}/{each}*" for each in (contract.MODELS_PREFIX, contract.OFFERS_PREFIX)]
        ),
        statement(["s3:ListBucket"], [bucket_arn]),
        *([may_encrypt(key_arn)] if key_arn else []),
    )
