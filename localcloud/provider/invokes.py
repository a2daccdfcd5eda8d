"""Pulumi's functions (data sources) that the stand-in answers."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.provider import lookups
from localcloud.provider.errors import ProviderError, UnknownTypeError
from localcloud.provider.resource import Aws, names
from localcloud.provider.values import Properties, paths_in


@dataclass(frozen=True)
class Invoke:
    """One function, and the arguments that it honours; others are refused."""

    answer: Callable[[Aws, Properties], Properties]
    arguments: frozenset[str]


def invoke(aws: Aws, token: str, arguments: Properties) -> Properties:
    """Answer a function's call.

    Raises:
        UnknownTypeError: the function is not here; the text says where to add it.
        ProviderError: an argument is not known here.
    """
    function = ALL.get(token)
    if function is None:
        raise UnknownTypeError(
            f"the local cloud does not know the function {token}; add it in localcloud/provider/invokes.py"
        )
    for path in paths_in(arguments):
        if not any(path == each or path.startswith(f"{each}.") for each in function.arguments):
            raise ProviderError(
                f"the local cloud's {token} does not know the argument {path}; add it in localcloud/provider/invokes.py"
            )
    return function.answer(aws, arguments)


def _availability_zones(aws: Aws, arguments: Properties) -> Properties:
    filters = [{"Name": each["name"], "Values": each["values"]} for each in arguments.get("filters", [])]
    zones = aws.client("ec2").describe_availability_zones(Filters=filters)["AvailabilityZones"]
    left_out = arguments.get("excludeNames", [])
    wanted = arguments.get("state")
    chosen = [z for z in zones if z["ZoneName"] not in left_out and wanted in (None, z["State"])]
    chosen.sort(key=lambda zone: str(zone["ZoneName"]))
    return {
        "id": aws.region,
        "region": aws.region,
        "names": [zone["ZoneName"] for zone in chosen],
        "zoneIds": [zone["ZoneId"] for zone in chosen],
        "groupNames": sorted({zone.get("GroupName", aws.region) for zone in chosen}),
        **arguments,
    }


def _caller_identity(aws: Aws, arguments: Properties) -> Properties:
    identity = aws.client("sts").get_caller_identity()
    account = identity["Account"]
    return {"id": account, "accountId": account, "arn": identity["Arn"], "userId": identity["UserId"]}


def _region(aws: Aws, arguments: Properties) -> Properties:
    region = arguments.get("region") or arguments.get("name") or aws.region
    endpoint = f"ec2.{region}.amazonaws.com"
    return {"id": region, "name": region, "region": region, "endpoint": endpoint, "description": region}


def _partition(aws: Aws, arguments: Properties) -> Properties:
    return {
        "id": "aws",
        "partition": "aws",
        "dnsSuffix": "amazonaws.com",
        "reverseDnsPrefix": "com.amazonaws",
    }


def _parameter(aws: Aws, arguments: Properties) -> Properties:
    decrypt = arguments.get("withDecryption", True)
    found = aws.client("ssm").get_parameter(Name=arguments["name"], WithDecryption=decrypt)["Parameter"]
    value = found["Value"]
    return {
        "id": found["Name"],
        "arn": found["ARN"],
        "name": found["Name"],
        "type": found["Type"],
        "value": value,
        "version": found["Version"],
        "withDecryption": decrypt,
        "region": aws.region,
        **({} if found["Type"] == "SecureString" else {"insecureValue": value}),
    }


def _policy_document(aws: Aws, arguments: Properties) -> Properties:
    version = arguments.get("version", "2012-10-17")
    document: dict[str, Any] = {"Version": version}
    if "policyId" in arguments:
        document["Id"] = arguments["policyId"]
    document["Statement"] = [_statement(each) for each in arguments.get("statements", [])]
    compact = json.dumps(document, separators=(",", ":"))
    return {
        **arguments,
        "id": hashlib.sha256(compact.encode()).hexdigest()[:10],
        "json": json.dumps(document, indent=2),
        "minifiedJson": compact,
        "version": version,
    }


def _statement(given: Properties) -> dict[str, Any]:
    statement: dict[str, Any] = {"Sid": given["sid"]} if given.get("sid") else {}
    statement["Effect"] = given.get("effect", "Allow")
    for name, member in (
        ("actions", "Action"),
        ("notActions", "NotAction"),
        ("resources", "Resource"),
        ("notResources", "NotResource"),
    ):
        if given.get(name):
            statement[member] = _one_or_many(given[name])
    for name, member in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
        if given.get(name):
            statement[member] = _principals(given[name])
    if given.get("conditions"):
        statement["Condition"] = _conditions(given["conditions"])
    return statement


def _principals(given: list[Properties]) -> Any:
    if any(each["type"] == "*" for each in given):
        return "*"
    kinds: dict[str, list[str]] = {}
    for each in given:
        kinds.setdefault(each["type"], []).extend(each["identifiers"])
    return {kind: _one_or_many(identifiers) for kind, identifiers in kinds.items()}


def _conditions(given: list[Properties]) -> dict[str, Any]:
    tests: dict[str, dict[str, Any]] = {}
    for each in given:
        tests.setdefault(each["test"], {})[each["variable"]] = _one_or_many(each["values"])
    return tests


def _one_or_many(values: list[str]) -> Any:
    return values[0] if len(values) == 1 else sorted(values, reverse=True)


_STATEMENT = names("sid effect actions notActions resources notResources principals notPrincipals conditions")

ALL: Mapping[str, Invoke] = {
    "aws:index/getAvailabilityZones:getAvailabilityZones": Invoke(
        _availability_zones, names("state excludeNames filters.name filters.values")
    ),
    "aws:index/getCallerIdentity:getCallerIdentity": Invoke(_caller_identity, names("")),
    "aws:index/getRegion:getRegion": Invoke(_region, names("region name")),
    "aws:index/getPartition:getPartition": Invoke(_partition, names("")),
    "aws:ec2/getVpc:getVpc": Invoke(lookups.vpc, names("id")),
    "aws:ec2/getSubnet:getSubnet": Invoke(lookups.subnet, names("id")),
    "aws:ssm/getParameter:getParameter": Invoke(_parameter, names("name withDecryption")),
    "aws:iam/getPolicyDocument:getPolicyDocument": Invoke(
        _policy_document, names("version policyId") | frozenset(f"statements.{name}" for name in _STATEMENT)
    ),
}
