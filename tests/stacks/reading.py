"""What the tests look up again and again in the local AWS of a built stack."""

import base64
from typing import Any

from localcloud.user_data import read_variables
from tests.stacks.program import Built


def template_data(built: Built, name: str) -> dict[str, Any]:
    (template,) = (
        each
        for each in built.aws.client("ec2").describe_launch_templates()["LaunchTemplates"]
        if each["LaunchTemplateName"].startswith(name)
    )
    versions = built.aws.client("ec2").describe_launch_template_versions(
        LaunchTemplateId=template["LaunchTemplateId"], Versions=["$Latest"]
    )
    data: dict[str, Any] = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    return data


def variables(built: Built, template: str) -> dict[str, str]:
    return read_variables(base64.b64decode(template_data(built, template)["UserData"]).decode())


def policies(built: Built, role: str) -> list[dict[str, Any]]:
    """Every statement of the policies of a role, by the role's Pulumi name."""
    iam = built.aws.client("iam")
    (name,) = (each["RoleName"] for each in iam.list_roles()["Roles"] if each["RoleName"].rpartition("-")[0] == role)
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    names = iam.list_role_policies(RoleName=name)["PolicyNames"]
    documents = [iam.get_role_policy(RoleName=name, PolicyName=each)["PolicyDocument"] for each in names]
    return [statement for document in documents for statement in document["Statement"]]


def allowed(built: Built, role: str) -> dict[str, list[str]]:
    """Resources by action."""
    found: dict[str, list[str]] = {}
    for each in policies(built, role):
        for action in each["Action"]:
            found.setdefault(action, []).extend(each["Resource"])
    return found
