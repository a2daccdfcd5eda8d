"""`warmfleet cost` and `warmfleet doctor STACK` against the local AWS; what moto lacks is stubbed at the HTTP edge."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aws_edge import PRICE, QUOTAS, aws_edge
from cli_checkout import ROOT, Checkout

from infra.vcpu_quotas import ON_DEMAND, SPOT, Demand, needed, quota_of
from localcloud.aws.in_process import LocalAws, local_aws
from scripts.cli import run
from scripts.stack_checks import SERVICE_ROLES

Ask = Callable[..., Any]


@pytest.fixture
def aws() -> Iterator[LocalAws]:
    with local_aws("127.63") as made:
        yield made


@pytest.fixture
def ask(checkout: Checkout, aws: LocalAws, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Iterator[Ask]:
    """Runs a command with --json, in a checkout that has all stack files, and returns its document."""
    for path in [*ROOT.glob("Pulumi.*.yaml"), ROOT / "Pulumi.yaml"]:
        (checkout.root / path.name).write_text(path.read_text())
    monkeypatch.chdir(checkout.root)
    monkeypatch.setenv("PATH", checkout.environ["PATH"])
    with aws_edge() as edge:
        made_up = {"AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_ENDPOINT_URL": aws.url}
        for name, value in {
            **made_up,
            "AWS_ENDPOINT_URL_PRICING": edge,
            "AWS_ENDPOINT_URL_SERVICE_QUOTAS": edge,
        }.items():
            monkeypatch.setenv(name, value)

        def asked(*arguments: str, code: int = 0) -> Any:
            capsys.readouterr()
            assert run([*arguments, "--json"]) == code
            return json.loads(capsys.readouterr().out)

        yield asked


def test_a_stack_costs_what_its_parts_cost_by_the_table_when_aws_is_not_asked(ask: Ask) -> None:
    found = ask("cost", "prod", "--offline")
    assert found["hourly_usd"]["idle"] == pytest.approx(sum(each["idle_usd"] for each in found["lines"]), abs=0.001)
    assert found["hourly_usd"]["most"] == pytest.approx(sum(each["most_usd"] for each in found["lines"]), abs=0.001)
    assert found["monthly_usd"]["most"] == pytest.approx(730 * found["hourly_usd"]["most"], abs=0.01)
    assert found["hourly_usd"]["most_at_spot"] is None
    assert found["prices"].startswith("infra/instance_types.csv")
    assert {each["enough"] for each in found["quotas"]} == {None}


def test_every_type_says_whether_it_fits_and_why_not(ask: Ask) -> None:
    rows = {each["type"]: each for each in ask("cost", "prod", "--offline")["types"]}
    assert (rows["g6.xlarge"]["chosen"], rows["g6.xlarge"]["why_not"]) == (True, "")
    assert "vLLM can take 14.4 GiB" in rows["g4dn.xlarge"]["why_not"]
    assert "3 GPUs would stay idle" in rows["g6.12xlarge"]["why_not"]
    assert "throughput classes" in rows["g6e.xlarge"]["why_not"]
    assert rows["gr6.4xlarge"]["why_not"] == ""
    assert "c7i.xlarge" not in rows


def test_aws_own_prices_quotas_and_zones_are_taken_where_it_gives_them(ask: Ask) -> None:
    found = ask("cost", "dev")
    assert found["prices"] == "the Price List API"
    rows = {each["type"]: each for each in found["types"]}
    assert rows["c7i.xlarge"]["on_demand_usd"] == PRICE
    assert len(rows["c7i.xlarge"]["zones"]) >= 2
    assert rows["c7i.xlarge"]["spot_usd"] is not None
    assert found["hourly_usd"]["most_at_spot"] < found["hourly_usd"]["most"]
    quotas = {each["code"]: each for each in found["quotas"]}
    assert (quotas["L-34B43A08"]["limit_vcpus"], quotas["L-34B43A08"]["needed_vcpus"]) == (QUOTAS["L-34B43A08"], 16)
    assert (quotas["L-34B43A08"]["enough"], quotas["L-1216C47A"]["enough"]) == (True, False)
    assert found["unknown"] == {}


def test_what_aws_does_not_tell_is_named_and_spares_the_rest(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", "http://127.0.0.1:1")
    found = ask("cost", "dev")
    assert set(found["unknown"]) == {"quotas"}
    assert {each["limit_vcpus"] for each in found["quotas"]} == {None}
    assert found["hourly_usd"]["most"] > 0


def test_quotas_count_the_dearest_type_of_each_family_for_all_nodes() -> None:
    standard, gpus = quota_of("c7i.xlarge", SPOT), quota_of("g6.xlarge", SPOT)
    assert standard
    assert gpus
    both = [Demand(SPOT, ("c7i.xlarge", "m7i.2xlarge", "g6.xlarge"), 3), Demand(SPOT, ("c7i.xlarge",), 2)]
    assert needed(both) == {standard: 3 * 8 + 2 * 4, gpus: 3 * 4}
    assert needed([Demand(SPOT, ("c7i.xlarge",), 0)]) == {}


@pytest.mark.parametrize(
    ("name", "market", "code"),
    [
        ("t3.small", ON_DEMAND, "L-1216C47A"),
        ("gr6.4xlarge", SPOT, "L-3819A6DF"),
        ("p4d.24xlarge", SPOT, "L-7212CCBC"),
        ("p5.48xlarge", SPOT, "L-C4BD4855"),
        ("p5en.48xlarge", ON_DEMAND, "L-417A185B"),
        ("r6i.large", SPOT, "L-34B43A08"),
    ],
)
def test_each_family_has_its_quota(name: str, market: str, code: str) -> None:
    quota = quota_of(name, market)
    assert quota is not None
    assert quota.code == code


def checks(found: Any) -> dict[str, Any]:
    return {each["name"]: each for each in found["checks"]}


def test_a_new_account_is_told_what_it_lacks_each_with_a_command(ask: Ask) -> None:
    found = checks(ask("doctor", "dev", code=1))
    assert found["account"]["ok"]
    assert found["AWSServiceRoleForEC2Spot"]["remedy"].startswith("aws iam create-service-linked-role")
    assert found["service bundle"]["remedy"] == "make bundle"
    short = found["Running On-Demand Standard instances"]
    assert (short["ok"], short["found"]) == (False, "5 vCPUs, a full stack needs 10")
    assert "request-service-quota-increase --service-code ec2 --quota-code L-1216C47A" in short["remedy"]
    assert found["All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests"]["ok"]
    assert found["instance types"]["ok"]
    assert found["elastic addresses"]["ok"]
    assert all(each["remedy"] for each in found.values() if not each["ok"])


def test_an_account_that_has_everything_is_fine(
    ask: Ask, aws: LocalAws, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(QUOTAS, "L-1216C47A", 10.0)
    for role in SERVICE_ROLES:
        aws.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument="{}")
    bundle = checkout.root / "build" / "service"
    bundle.mkdir(parents=True)
    for name in ("manifest.json", "planner.zip"):
        (bundle / name).write_text("{}")
    (checkout.bin / "pulumi").write_text("#!/bin/sh\necho v3.240.0\n")
    found = checks(ask("doctor", "dev"))
    assert all(each["ok"] for each in found.values()), found


def test_in_another_account_nothing_more_is_asked(ask: Ask, checkout: Checkout) -> None:
    path = checkout.root / "Pulumi.dev.yaml"
    path.write_text(path.read_text().replace("123456789012", "111122223333"))
    found = checks(ask("doctor", "dev", code=1))
    assert "Pulumi.dev.yaml allows 111122223333" in found["account"]["found"]
    assert "put '123456789012' into aws:allowedAccountIds" in found["account"]["remedy"]
    assert list(found)[-1] == "account"


def test_a_certificate_and_an_existing_vpc_are_looked_at(ask: Ask, aws: LocalAws, checkout: Checkout) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/28", AvailabilityZone=f"us-east-1{zone}")["Subnet"]
        for n, zone in enumerate("abc")
    ]
    ids = [each["SubnetId"] for each in subnets]
    path = checkout.root / "Pulumi.prod.yaml"
    path.write_text(path.read_text() + f"  warmfleet:vpc_id: {vpc}\n  warmfleet:subnet_ids: {json.dumps(ids)}\n")
    found = checks(ask("doctor", "prod", code=1))
    assert found["certificate"]["ok"], found["certificate"]
    small = found[f"subnet {ids[0]}"]
    assert (small["ok"], small["remedy"]) == (False, "name larger subnets in subnet_ids of Pulumi.prod.yaml")
    assert "elastic addresses" not in found
