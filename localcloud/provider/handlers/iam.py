"""Roles, their policies, and instance profiles."""

import json
from typing import Any

from localcloud.provider.errors import GoneError
from localcloud.provider.handlers.ec2_tags import TAG_INPUTS, as_mapping, key_values
from localcloud.provider.resource import AutoName, Aws, Handler, names
from localcloud.provider.values import Properties


class Role(Handler):
    token = "aws:iam/role:Role"
    inputs = (
        names("name path description assumeRolePolicy maxSessionDuration permissionsBoundary forceDetachPolicies")
        | TAG_INPUTS
    )
    outputs = names(
        "arn name path description assumeRolePolicy maxSessionDuration createDate uniqueId tags tagsAll"
    )  # IAM knows no region
    replaced_by = names("name path")
    json_inputs = names("assumeRolePolicy")
    auto_name = AutoName(longest=64)

    def create(self, aws: Aws, inputs: Properties) -> str:
        given = {
            "RoleName": inputs["name"],
            "AssumeRolePolicyDocument": inputs["assumeRolePolicy"],
            "Path": inputs.get("path", "/"),
            "Description": inputs.get("description", ""),
            "MaxSessionDuration": inputs.get("maxSessionDuration", 3600),
            "Tags": key_values(inputs.get("tags", {})),
        }
        if "permissionsBoundary" in inputs:
            given["PermissionsBoundary"] = inputs["permissionsBoundary"]
        return str(aws.client("iam").create_role(**given)["Role"]["RoleName"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        role = aws.client("iam").get_role(RoleName=id_)["Role"]
        boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        return {
            "arn": role["Arn"],
            "name": role["RoleName"],
            "path": role["Path"],
            "description": role.get("Description", ""),
            "assumeRolePolicy": json.dumps(role["AssumeRolePolicyDocument"]),
            "maxSessionDuration": role["MaxSessionDuration"],
            "createDate": _instant(role["CreateDate"]),
            "uniqueId": role["RoleId"],
            **({"permissionsBoundary": boundary} if boundary else {}),
            **_tag_outputs(role),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        iam = aws.client("iam")
        iam.update_assume_role_policy(RoleName=id_, PolicyDocument=inputs["assumeRolePolicy"])
        longest = inputs.get("maxSessionDuration", 3600)
        iam.update_role(RoleName=id_, Description=inputs.get("description", ""), MaxSessionDuration=longest)
        if "permissionsBoundary" in inputs:
            iam.put_role_permissions_boundary(RoleName=id_, PermissionsBoundary=inputs["permissionsBoundary"])
        elif known.get("permissionsBoundary"):
            iam.delete_role_permissions_boundary(RoleName=id_)
        present = iam.list_role_tags(RoleName=id_)["Tags"]
        _retag(inputs, present, iam.tag_role, iam.untag_role, {"RoleName": id_})

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        iam = aws.client("iam")
        if known.get("forceDetachPolicies"):
            for each in iam.list_attached_role_policies(RoleName=id_)["AttachedPolicies"]:
                iam.detach_role_policy(RoleName=id_, PolicyArn=each["PolicyArn"])
            for name in iam.list_role_policies(RoleName=id_)["PolicyNames"]:
                iam.delete_role_policy(RoleName=id_, PolicyName=name)
        iam.delete_role(RoleName=id_)


class RolePolicy(Handler):
    token = "aws:iam/rolePolicy:RolePolicy"
    inputs = names("name role policy")
    outputs = inputs
    replaced_by = names("name role")
    json_inputs = names("policy")
    auto_name = AutoName(longest=128)

    def create(self, aws: Aws, inputs: Properties) -> str:
        role, name = inputs["role"], inputs["name"]
        aws.client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=inputs["policy"])
        return f"{role}:{name}"

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        role, _, name = id_.partition(":")
        document = aws.client("iam").get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        return {"name": name, "role": role, "policy": json.dumps(document)}

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        self.create(aws, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        role, _, name = id_.partition(":")
        aws.client("iam").delete_role_policy(RoleName=role, PolicyName=name)


class RolePolicyAttachment(Handler):
    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    inputs = names("role policyArn")
    outputs = inputs
    replaced_by = inputs

    def create(self, aws: Aws, inputs: Properties) -> str:
        aws.client("iam").attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
        return f"{inputs['role']}/{inputs['policyArn']}"

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        role, _, policy = id_.partition("/")
        for page in aws.client("iam").get_paginator("list_attached_role_policies").paginate(RoleName=role):
            if any(each["PolicyArn"] == policy for each in page["AttachedPolicies"]):
                return {"role": role, "policyArn": policy}
        raise GoneError(id_)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        role, _, policy = id_.partition("/")
        aws.client("iam").detach_role_policy(RoleName=role, PolicyArn=policy)


class InstanceProfile(Handler):
    token = "aws:iam/instanceProfile:InstanceProfile"
    inputs = names("name path role") | TAG_INPUTS
    outputs = names("arn name path role createDate uniqueId tags tagsAll")
    replaced_by = names("name path")
    auto_name = AutoName(longest=128)

    def create(self, aws: Aws, inputs: Properties) -> str:
        reply = aws.client("iam").create_instance_profile(
            InstanceProfileName=inputs["name"],
            Path=inputs.get("path", "/"),
            Tags=key_values(inputs.get("tags", {})),
        )
        return str(reply["InstanceProfile"]["InstanceProfileName"])

    def complete(self, aws: Aws, id_: str, inputs: Properties) -> None:
        iam = aws.client("iam")
        present, wanted = self._role(self._describe(aws, id_)), inputs.get("role", "")
        if present and present != wanted:
            iam.remove_role_from_instance_profile(InstanceProfileName=id_, RoleName=present)
        if wanted and present != wanted:
            iam.add_role_to_instance_profile(InstanceProfileName=id_, RoleName=wanted)

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        profile = self._describe(aws, id_)
        return {
            "arn": profile["Arn"],
            "name": profile["InstanceProfileName"],
            "path": profile["Path"],
            "role": self._role(profile),
            "createDate": _instant(profile["CreateDate"]),
            "uniqueId": profile["InstanceProfileId"],
            **_tag_outputs(profile),
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        self.complete(aws, id_, inputs)
        iam, key = aws.client("iam"), {"InstanceProfileName": id_}
        present = self._describe(aws, id_).get("Tags", [])
        _retag(inputs, present, iam.tag_instance_profile, iam.untag_instance_profile, key)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        iam = aws.client("iam")
        if role := self._role(self._describe(aws, id_)):
            iam.remove_role_from_instance_profile(InstanceProfileName=id_, RoleName=role)
        iam.delete_instance_profile(InstanceProfileName=id_)

    @staticmethod
    def _describe(aws: Aws, id_: str) -> Any:
        return aws.client("iam").get_instance_profile(InstanceProfileName=id_)["InstanceProfile"]

    @staticmethod
    def _role(profile: Any) -> str:
        return next((str(role["RoleName"]) for role in profile["Roles"]), "")


def _tag_outputs(resource: Any) -> Properties:
    tags = as_mapping(resource.get("Tags", []))
    return {"tagsAll": tags, **({"tags": tags} if tags else {})}


def _retag(inputs: Properties, tags: Any, tag: Any, untag: Any, key: dict[str, str]) -> None:
    """Call IAM's `tag` and `untag` of one kind until the tags are those of the inputs."""
    present, wanted = as_mapping(tags), inputs.get("tags", {})
    if removed := [name for name in present if name not in wanted]:
        untag(**key, TagKeys=removed)
    if wanted and wanted != present:
        tag(**key, Tags=key_values(wanted))


def _instant(moment: Any) -> str:
    return str(moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
