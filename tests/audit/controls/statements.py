"""Reading IAM policy documents: who may do what, and under which condition."""

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

Statement = Mapping[str, Any]
# Conditions that hold a statement for everybody to somebody; CIS 2.21 names the like.
RESTRICTING = {"aws:sourceaccount", "aws:sourcearn", "aws:sourceowner", "aws:principalarn", "aws:principalorgid"}
RESTRICTING |= {"aws:principalaccount", "aws:sourcevpce", "kms:calleraccount"}


def statements(policy: str | Mapping[str, Any] | None) -> list[Statement]:
    document = json.loads(policy) if isinstance(policy, str) else policy or {}
    return many(document.get("Statement", []))


def many(value: Any) -> list[Any]:
    """A policy may say one thing, or a list of them."""
    return value if isinstance(value, list) else [value]


def allowed(policy: str | Mapping[str, Any] | None) -> Iterator[Statement]:
    return (each for each in statements(policy) if each["Effect"] == "Allow")


def covers(patterns: Any, name: str) -> bool:
    """Whether an action or resource is among those that a statement names."""
    return any(fnmatchcase(name.lower(), str(each).lower()) for each in many(patterns or []))


def principals(statement: Statement) -> list[str]:
    """AWS principals; services are none."""
    principal = statement.get("Principal", {})
    return [principal] if isinstance(principal, str) else [str(each) for each in many(principal.get("AWS", []))]


def for_everybody(statement: Statement) -> bool:
    """Whether a statement means any AWS account, and no condition says whom."""
    keys = {key.lower() for each in statement.get("Condition", {}).values() for key in each}
    return "*" in principals(statement) and not keys & RESTRICTING


def public(policy: str | Mapping[str, Any] | None, action: str = "") -> bool:
    """Whether a policy lets everybody do something, or this one action."""
    opened = [each for each in allowed(policy) if for_everybody(each)]
    return any(not action or covers(each.get("Action"), action) for each in opened)


def refuses_plain_http(policy: str | None, action: str, resources: list[str]) -> bool:
    """Whether one statement denies everybody the action on all of these without TLS."""
    return any(
        each["Effect"] == "Deny"
        and "*" in principals(each)
        and covers(each.get("Action"), action)
        and all(covers(each.get("Resource"), resource) for resource in resources)
        and each.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        for each in statements(policy)
    )
