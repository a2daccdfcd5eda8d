"""IAM: what policies grant. The standards mean policies of their own; ours are inside roles, so those count, too."""

from collections.abc import Callable, Iterator
from typing import Any

from localcloud.aws.in_process import LocalAws
from tests.audit.controls.control import Control, Look, Seen, unless
from tests.audit.controls.statements import Statement, allowed, covers, many

Policy = tuple[str, Any]  # label and document


def inline_policies(aws: LocalAws, role: str) -> Iterator[Policy]:
    iam = aws.client("iam")
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        yield f"role policy {name}", document


def of_roles(aws: LocalAws) -> Iterator[Policy]:
    for role in aws.client("iam").list_roles()["Roles"]:
        yield from inline_policies(aws, role["RoleName"])


def of_their_own(aws: LocalAws) -> Iterator[Policy]:
    """Customer managed ones."""
    iam = aws.client("iam")
    for each in iam.list_policies(Scope="Local")["Policies"]:
        version = iam.get_policy_version(PolicyArn=each["Arn"], VersionId=each["DefaultVersionId"])
        yield f"policy {each['PolicyName']}", version["PolicyVersion"]["Document"]


def all_of_them(aws: LocalAws) -> Iterator[Policy]:
    yield from of_their_own(aws)
    yield from of_roles(aws)


def grants_no(
    risky: Callable[[Statement], bool], wrong: str, policies: Callable[[LocalAws], Iterator[Policy]] = all_of_them
) -> Look:
    """No statement that allows something is of that kind."""

    def look(aws: LocalAws) -> Iterator[Seen]:
        for label, document in policies(aws):
            yield label, unless(not any(risky(each) for each in allowed(document)), wrong)

    return look


def everything(statement: Statement) -> bool:
    return "*" in many(statement.get("Action")) and "*" in many(statement.get("Resource"))


def all_of_a_service(statement: Statement) -> bool:
    return any(str(action) == "*" or str(action).endswith(":*") for action in many(statement.get("Action")))


def decryption_by_every_key(statement: Statement) -> bool:
    decrypts = any(covers(statement.get("Action"), f"kms:{each}") for each in ("Decrypt", "ReEncryptFrom"))
    keys = [str(each) for each in many(statement.get("Resource"))]
    return decrypts and any(each == "*" or (":kms:" in each and each.endswith((":*", "/*"))) for each in keys)


DECRYPTS = "decrypts by every key"

CONTROLS = (
    Control("IAM.1", "No policy grants everything", grants_no(everything, "grants everything")),
    Control("IAM.21", "No policy grants all of a service", grants_no(all_of_a_service, "grants all of a service")),
    Control("KMS.1", "No policy decrypts by every key", grants_no(decryption_by_every_key, DECRYPTS, of_their_own)),
    Control("KMS.2", "No role decrypts by every key", grants_no(decryption_by_every_key, DECRYPTS, of_roles)),
)
