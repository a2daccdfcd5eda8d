"""Every rule refuses what it is about, lets through what just fits, and judges nothing that is not known yet."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from infra.policies.resource import UNKNOWN, Resource, Stack
from infra.policies.rule import Rule, judged
from infra.policies.rules import every_rule
from tests.unit.policies.cases import CASES
from tests.unit.policies.cases.case import Case

RULES = {each.id: each for each in every_rule()}
LIMITS = [each for each in RULES.values() if each.check.__qualname__.startswith(("between", "among"))]


def said(rule: Rule, resources: list[Resource]) -> list[str]:
    return [found.message for found in judged(rule, resources[0], Stack(resources))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.id}-{case.type.rpartition(':')[2]}")
def test_a_rule_refuses_the_one_and_lets_the_other_through(case: Case) -> None:
    rule = RULES[case.rule]
    assert said(rule, case.resources(case.wrong, case.others)) != []
    others = case.others if case.right_others is None else case.right_others
    assert said(rule, case.resources(case.right, others)) == []


def test_every_rule_has_a_case() -> None:
    of_hand = {each.id for each in RULES.values()} - {each.id for each in LIMITS}
    assert of_hand == {case.rule for case in CASES}


def placed(path: str, value: Any) -> Mapping[str, Any]:
    """Inputs with the value at a path such as `rules[].status`."""
    made: Any = value
    for step in reversed(path.split(".")):
        made = {step.removesuffix("[]"): [made] if step.endswith("[]") else made}
    found: Mapping[str, Any] = made
    return found


def arguments(rule: Rule) -> dict[str, Any]:
    """What a limit was made of."""
    cells = zip(rule.check.__code__.co_freevars, rule.check.__closure__ or (), strict=True)
    return {name: cell.cell_contents for name, cell in cells}


@pytest.mark.parametrize("rule", LIMITS, ids=lambda rule: rule.id)
def test_a_limit_holds_at_its_ends_and_not_beyond(rule: Rule) -> None:
    given = arguments(rule)
    path, token = given["path"], rule.types[0]
    if "allowed" in given:
        right, wrong = list(given["allowed"]), ["none of them" if isinstance(given["allowed"][0], str) else 12345.0]
    else:
        right, wrong = [given["least"], float(given["most"])], [given["least"] - 1, given["most"] + 1]
    for value in right:
        assert said(rule, [Resource(token, "r", placed(path, value))]) == []
    for value in wrong:
        if value == 0 and given.get("or_zero"):
            continue
        (message,) = said(rule, [Resource(token, "r", placed(path, value))])
        assert str(value).removesuffix(".0") in message or repr(value) in message or f"{value:g}" in message
        assert "; must be " in message
    assert said(rule, [Resource(token, "r", placed(path, UNKNOWN))]) == []


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_a_rule_names_its_source_and_what_it_wants(rule: Rule) -> None:
    assert re.match(r"https://((docs\.)?aws\.amazon\.com|github\.com)/\S+", rule.source)
    assert rule.description != rule.id
    assert re.fullmatch(r"(aws_refuses|security|cost)/[a-z0-9-]+", rule.id)


def test_ids_are_unique() -> None:
    assert len(RULES) == len(list(every_rule()))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.id}-{case.type.rpartition(':')[2]}")
def test_what_is_unknown_is_never_refused_for_its_value(case: Case) -> None:
    """With every single value unknown, a rule may miss a property, never judge one."""
    unknown = dict.fromkeys(case.right, UNKNOWN)
    rule = RULES[case.rule]
    for message in said(rule, case.resources(unknown, [])):
        assert "unknown" not in message
        assert "must be" not in message, message
