"""What AWS says of types right now: prices, zones, quotas. What it does not say is None, with the reason."""

import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scripts.aws_session import Aws

PRICING_REGION = "us-east-1"  # the Price List API answers here for every region
HOURS = "Hrs"


@dataclass(frozen=True)
class Market:
    """By type; `missing` says what could not be asked, and why."""

    on_demand_usd: Mapping[str, float] = field(default_factory=dict)
    spot_usd: Mapping[str, float] = field(default_factory=dict)  # in the cheapest zone
    zones: Mapping[str, Sequence[str]] = field(default_factory=dict)
    quotas: Mapping[str, float] = field(default_factory=dict)  # vCPUs by quota code
    missing: Mapping[str, str] = field(default_factory=dict)


def ask(aws: Aws, pricing: Aws, region: str, types: Sequence[str], codes: Sequence[str]) -> Market:
    """Everything that can be asked. Nothing here is needed: each failure is noted and passed over."""
    missing: dict[str, str] = {}

    def tried(what: str, question: Callable[[], Any], default: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return question()
        except (BotoCoreError, ClientError, KeyError, ValueError) as error:
            missing[what] = str(error).splitlines()[0]
            return default

    return Market(
        tried("on-demand prices", lambda: on_demand(pricing.client("pricing"), region, types), {}),
        tried("spot prices", lambda: spot(aws.client("ec2"), types), {}),
        tried("zones", lambda: offerings(aws.client("ec2"), types), {}),
        tried("quotas", lambda: quotas(aws.client("service-quotas"), codes), {}),
        missing,
    )


def on_demand(pricing: Any, region: str, types: Sequence[str]) -> dict[str, float]:
    """Linux, shared tenancy, USD an hour.

    https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html
    """
    fixed = {"regionCode": region, "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA"}
    found = {}
    for name in types:
        wanted = {**fixed, "capacitystatus": "Used", "instanceType": name}
        filters = [{"Type": "TERM_MATCH", "Field": key, "Value": value} for key, value in wanted.items()]
        for text in pricing.get_products(ServiceCode="AmazonEC2", Filters=filters, MaxResults=10)["PriceList"]:
            product = json.loads(text) if isinstance(text, str) else text
            for term in product.get("terms", {}).get("OnDemand", {}).values():
                for dimension in term["priceDimensions"].values():
                    if dimension["unit"] == HOURS and float(dimension["pricePerUnit"].get("USD", 0)):
                        found[name] = float(dimension["pricePerUnit"]["USD"])
    return found


def spot(ec2: Any, types: Sequence[str]) -> dict[str, float]:
    """The price of this moment in the cheapest zone.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSpotPriceHistory.html
    """
    found: dict[str, float] = {}
    pages = ec2.get_paginator("describe_spot_price_history").paginate(
        InstanceTypes=list(types), ProductDescriptions=["Linux/UNIX"], StartTime=datetime.datetime.now(datetime.UTC)
    )
    for page in pages:
        for each in page["SpotPriceHistory"]:
            name, price = each["InstanceType"], float(each["SpotPrice"])
            found[name] = min(price, found.get(name, price))
    return found


def offerings(ec2: Any, types: Sequence[str]) -> dict[str, list[str]]:
    """The zones that have each type."""
    found: dict[str, list[str]] = {name: [] for name in types}
    filters = [{"Name": "instance-type", "Values": list(types)}]
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone", Filters=filters
    )
    for page in pages:
        for each in page["InstanceTypeOfferings"]:
            found.setdefault(each["InstanceType"], []).append(each["Location"])
    return {name: sorted(zones) for name, zones in found.items()}


def quotas(service_quotas: Any, codes: Sequence[str]) -> dict[str, float]:
    """The account's limits in vCPUs."""
    return {
        code: float(service_quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"])
        for code in codes
    }
