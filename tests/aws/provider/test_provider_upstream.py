"""What the official provider refuses in a preview, the stand-in refuses too, over its real socket; and no more."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from infra.policies.resource import UNKNOWN as LATER
from infra.policies.resource import Resource
from localcloud.provider import upstream
from localcloud.provider.registry import handlers
from localcloud.provider.schema import sdk_problems
from localcloud.provider.upstream.checks import AtLeastOne, Conflict, ExactlyOne, Needs, Value, Where
from localcloud.provider.values import SECRET, SIGNATURE, UNKNOWN
from scripts.policy_check import IN_PREVIEW, Checked, refused_in_preview
from tests.aws.provider.cases import CASES
from tests.aws.provider.engine import Engine
from tests.aws.provider.world import World
from tests.unit.policies.cases import CASES as RULE_CASES
from tests.unit.policies.cases.case import Case

TABLE = upstream.table()
VALUES = [(token, each) for token, (_, checks) in TABLE.items() for each in checks if isinstance(each, Value)]
IDS = [f"{token.rpartition(':')[2]}-{each.path}" for token, each in VALUES]


OURS = re.compile("; (must be|take|give) ")
# How many of a rule's cases the official provider refuses in its preview. In the others it looks at nothing, or at
# what is not known yet: AWS itself refuses those.
REFUSED = {
    "group-template": 2,
    "template-by-id-or-name": 1,
    "mixed-overrides": 1,
    "template-name": 1,
    "network-ranges": 2,
    "security-group-names": 1,
    "whole-ranges": 1,
    "balancer-names": 2,
    "health-checks": 1,
    "listener-actions": 1,
    "queue-and-topic-names": 1,
    "event-triggers": 1,
    "alarm-metric": 2,
    "alarm-periods": 1,
    "alarm-actions": 1,
    "dashboard-body": 1,
    "resource-policies": 1,
    "iam-names": 1,
    "key-alias": 1,
    "api-model": 7,
}


def placed(path: str, value: Any) -> dict[str, Any]:
    """Inputs with the value at a path; numbers as the wire has them."""
    made: Any = float(value) if isinstance(value, int) else value
    for step in reversed(path.split(".")):
        made = {step: made}
    found: dict[str, Any] = made
    return found


def said(engine: Engine, token: str, inputs: Mapping[str, Any], path: str) -> list[str]:
    """What Check says of the value at the path, not of what is missing beside it."""
    reasons = engine.reasons(token.removeprefix("aws:"), dict(inputs))
    return [each for each in reasons if re.sub(r"\[\d+\]", "", each).startswith(f"{path}: is ") and "must be" in each]


@pytest.mark.parametrize(("token", "check"), VALUES, ids=IDS)
def test_a_value_is_refused_beyond_its_limit_and_not_at_it(engine: Engine, token: str, check: Value) -> None:
    for value in check.form.wrong:
        assert said(engine, token, placed(check.path, value), check.path) != [], value
    for value in check.form.right:
        assert said(engine, token, placed(check.path, value), check.path) == []
    assert said(engine, token, placed(check.path, UNKNOWN), check.path) == []


@pytest.mark.parametrize(("token", "check"), VALUES, ids=IDS)
def test_a_check_is_about_a_property_that_the_stand_in_has(token: str, check: Value) -> None:
    supported = handlers()[token].inputs
    assert check.path in supported or any(each.startswith(f"{check.path}.") for each in supported)


def test_each_type_names_its_source() -> None:
    for token in TABLE:
        assert re.fullmatch(r"https://github\.com/hashicorp/\S+/[a-z0-9]+/\w+\.go", upstream.source(token))
        assert token in handlers()


GROUPS: Sequence[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]] = [
    (
        "autoscaling/group:Group",
        "none of launchConfiguration, launchTemplate, mixedInstancesPolicy is given; give exactly one",
        {"maxSize": 1.0},
        {"launchTemplate": UNKNOWN},
    ),
    (
        "autoscaling/group:Group",
        "launchTemplate.id: is given beside launchTemplate.name; take one of them out",
        {"launchTemplate": {"id": "lt-0a", "name": "node"}},
        {"launchTemplate": {"id": UNKNOWN, "name": "node"}},
    ),
    (
        "vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "cidrIpv4: is given beside referencedSecurityGroupId; give exactly one of "
        "cidrIpv4, cidrIpv6, prefixListId, referencedSecurityGroupId",
        {"cidrIpv4": "10.0.0.0/8", "referencedSecurityGroupId": "sg-1"},
        {"cidrIpv4": "10.0.0.0/8", "referencedSecurityGroupId": UNKNOWN},
    ),
    (
        "kms/key:Key",
        "rotationPeriodInDays: is given without enableKeyRotation; give both or none",
        {"rotationPeriodInDays": 90.0},
        {"rotationPeriodInDays": 90.0, "enableKeyRotation": True},
    ),
    (
        "cloudwatch/eventRule:EventRule",
        "none of scheduleExpression, eventPattern is given; give at least one",
        {"name": "interruptions"},
        {"eventPattern": UNKNOWN},
    ),
    (
        "lb/targetGroup:TargetGroup",
        "vpcId: is missing, but targetType is instance; give it",
        {"port": 80.0, "protocol": "HTTP"},
        {"port": 80.0, "protocol": "HTTP", "vpcId": UNKNOWN},
    ),
    (
        "ec2/natGateway:NatGateway",
        "allocationId: is given, but connectivityType is private; take it out",
        {"connectivityType": "private", "allocationId": "eipalloc-1"},
        {"connectivityType": UNKNOWN, "allocationId": "eipalloc-1"},
    ),
    (
        "cloudwatch/metricAlarm:MetricAlarm",
        "metricQueries[1].expression: is given beside metric; take one of them out",
        {"metricQueries": [{"id": "a", "expression": "b"}, {"id": "b", "expression": "a", "metric": {"stat": "Sum"}}]},
        {"metricQueries": [{"id": "a", "expression": "b"}, {"id": "b", "metric": {"stat": "Sum"}}]},
    ),
]


@pytest.mark.parametrize(("kind", "reason", "wrong", "right"), GROUPS, ids=[each[1] for each in GROUPS])
def test_properties_that_exclude_or_need_each_other(
    engine: Engine, kind: str, reason: str, wrong: Mapping[str, Any], right: Mapping[str, Any]
) -> None:
    assert reason in engine.reasons(kind, dict(wrong))
    assert reason not in engine.reasons(kind, dict(right))


def test_every_kind_of_check_has_an_example() -> None:
    kinds = {type(each) for _, checks in TABLE.values() for each in checks}
    assert kinds == {Value, ExactlyOne, AtLeastOne, Conflict, Needs, Where}


def test_all_that_is_wrong_is_said_at_once_each_with_value_limit_and_place(engine: Engine) -> None:
    inputs = {"cidrBlock": "10.0.0.1/16", "instanceTenancy": "host", "enableDnsSupport": 1.0}
    assert engine.reasons("ec2/vpc:Vpc", inputs) == [
        "enableDnsSupport: expected a boolean, not 1",
        "cidrBlock: is '10.0.0.1/16'; must be an IPv4 range from /16 to /28, such as 10.0.0.0/16",
        "instanceTenancy: is 'host'; must be one of default, dedicated",
    ]


def test_a_secret_is_judged_and_a_part_that_is_unknown_hides_nothing(engine: Engine) -> None:
    secret = {SIGNATURE: SECRET, "value": "{"}
    assert said(engine, "aws:s3/bucketPolicy:BucketPolicy", {"policy": secret, "bucket": UNKNOWN}, "policy")
    actions = ["arn:aws:sns:us-east-1:123456789012:alerts", UNKNOWN, "alerts"]
    (reason,) = said(engine, "aws:cloudwatch/metricAlarm:MetricAlarm", {"alarmActions": actions}, "alarmActions")
    assert reason.startswith("alarmActions[2]: is 'alerts'")


def test_what_aws_alone_refuses_is_let_through(engine: Engine) -> None:
    """The official provider says nothing of these: a stand-in that did would hide what a real preview shows."""
    group = {"minSize": 4.0, "maxSize": 3.0, "maxInstanceLifetime": 5.0, "launchTemplate": {"id": "lt-1"}}
    assert engine.reasons("autoscaling/group:Group", group) == []
    assert engine.reasons("ec2/subnet:Subnet", {"vpcId": "vpc-1", "cidrBlock": "10.0.0.0/30"}) == []
    balancer = {"subnets": ["subnet-1"], "idleTimeout": 9999.0}
    assert engine.reasons("lb/loadBalancer:LoadBalancer", balancer) == []
    assert engine.reasons("s3/bucket:Bucket", {"bucket": "Upper_Case"}) == []


@pytest.mark.parametrize("token", sorted(CASES))
def test_what_the_stand_in_makes_is_let_through(engine: Engine, world: World, token: str) -> None:
    inputs = CASES[token].inputs(world)
    assert upstream.problems(token, inputs) == []


def reasons(engine: Engine, case: Case, props: Mapping[str, Any]) -> set[str]:
    return set(engine.reasons(case.type.removeprefix("aws:"), sent(props)))


def sent(value: Any) -> Any:
    """A rule's inputs as the engine sends them."""
    if isinstance(value, Mapping):
        return {key: sent(each) for key, each in value.items()}
    return [sent(each) for each in value] if isinstance(value, list) else UNKNOWN if value is LATER else value


def test_cases_of_the_rules_are_refused_where_the_official_provider_looks_and_let_through_elsewhere(
    engine: Engine,
) -> None:
    refused = Counter[str]()
    for case in [each for each in RULE_CASES if each.type in TABLE]:
        wrong, right = reasons(engine, case, case.wrong), reasons(engine, case, case.right)
        refused[case.id] += any(OURS.search(each) for each in wrong - right)
        assert not any("; must be " in each for each in right), right
    assert {id_: count for id_, count in refused.items() if count} == REFUSED


def test_the_properties_of_a_group_are_those_of_the_sdk() -> None:
    for token, (_, checks) in TABLE.items():
        for path in [path for each in checks for path in getattr(each, "paths", ())]:
            within = next((each.within for each in checks if isinstance(each, Conflict) and path in each.paths), "")
            name = (within or path).split(".")[0]
            assert not [each for each in sdk_problems(token, {name: UNKNOWN}) if "no such" in each.reason], path


def test_check_says_what_the_provider_refuses_where_no_rule_does() -> None:
    rule = Resource("aws:cloudwatch/eventTarget:EventTarget", "queue", {"arn": "queue", "targetId": "q"})
    (finding,) = refused_in_preview(rule, [])
    assert (finding.rule, finding.resource, finding.mandatory) == (IN_PREVIEW, "queue", True)
    assert finding.message == "arn: is 'queue'; must be an ARN: arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE"
    assert finding.source.endswith("internal/service/events/target.go")
    assert Checked(1, (finding,)).mandatory == 1
