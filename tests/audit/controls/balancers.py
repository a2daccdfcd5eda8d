"""Application Load Balancers and their listeners."""

from collections.abc import Iterator
from typing import Any

from localcloud.aws.in_process import LocalAws
from tests.audit.controls.control import Control, Look, Seen, unless

ENCRYPTED = ("HTTPS", "TLS")
# https://docs.aws.amazon.com/securityhub/latest/userguide/elb-controls.html#elb-17, as far as our program may choose
RECOMMENDED = {"ELBSecurityPolicy-TLS13-1-2-2021-06", "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"}
RECOMMENDED |= {"ELBSecurityPolicy-TLS13-1-3-2021-06"}


def balancers(aws: LocalAws) -> list[tuple[str, Any]]:
    found = aws.client("elbv2").describe_load_balancers()["LoadBalancers"]
    return [(f"load balancer {each['LoadBalancerName']}", each) for each in found]


def listeners(aws: LocalAws) -> Iterator[tuple[str, Any]]:
    """Each with the name of its load balancer and its port."""
    for label, balancer in balancers(aws):
        arn = balancer["LoadBalancerArn"]
        for each in aws.client("elbv2").describe_listeners(LoadBalancerArn=arn)["Listeners"]:
            yield f"{label}, port {each['Port']}", each


def attribute(name: str, wanted: tuple[str, ...], wrong: str) -> Look:
    """The balancer's attribute has one of the values."""

    def look(aws: LocalAws) -> Iterator[Seen]:
        elb = aws.client("elbv2")
        for label, each in balancers(aws):
            found = elb.describe_load_balancer_attributes(LoadBalancerArn=each["LoadBalancerArn"])["Attributes"]
            values = {one["Key"]: one["Value"] for one in found}
            yield label, unless(values.get(name) in wanted, wrong)

    return look


def plain_http_leads_to_https(aws: LocalAws) -> Iterator[Seen]:
    """A balancer without a listener for plain HTTP is fine, too."""
    found = list(listeners(aws))
    for label, _ in balancers(aws):
        plain = [each for name, each in found if name.startswith(f"{label},") and each["Protocol"] == "HTTP"]
        led = all(
            action["Type"] == "redirect" and action["RedirectConfig"]["Protocol"] == "HTTPS"
            for each in plain
            for action in each["DefaultActions"]
        )
        yield label, unless(led, "answers plain HTTP itself")


def is_in_several_zones(aws: LocalAws) -> Iterator[Seen]:
    for label, each in balancers(aws):
        yield label, unless(len(each["AvailabilityZones"]) > 1, "is in one zone")


def a_web_firewall_is_before_it(aws: LocalAws) -> Iterator[Seen]:
    waf = aws.client("wafv2")
    for label, each in balancers(aws):
        found = waf.get_web_acl_for_resource(ResourceArn=each["LoadBalancerArn"])
        yield label, unless(found.get("WebACL"), "has no web firewall before it")


def tls_is_as_recommended(aws: LocalAws) -> Iterator[Seen]:
    for label, each in listeners(aws):
        if each["Protocol"] in ENCRYPTED:
            yield label, unless(each["SslPolicy"] in RECOMMENDED, f"speaks TLS by {each['SslPolicy']}")


def listeners_are_encrypted(aws: LocalAws) -> Iterator[Seen]:
    for label, each in listeners(aws):
        yield label, unless(each["Protocol"] in ENCRYPTED, f"listens to {each['Protocol']}")


ON = ("true",)
NO_PROTECTION = "can be deleted by one call"
HEADERS = "passes invalid headers on"
SMUGGLING = "lets requests be smuggled"

CONTROLS = (
    Control("ELB.1", "Plain HTTP leads to HTTPS", plain_http_leads_to_https),
    Control(
        "ELB.4",
        "Invalid headers are dropped",
        attribute("routing.http.drop_invalid_header_fields.enabled", ON, HEADERS),
    ),
    Control("ELB.5", "Accesses are logged", attribute("access_logs.s3.enabled", ON, "logs no accesses")),
    Control("ELB.6", "Deletion is protected", attribute("deletion_protection.enabled", ON, NO_PROTECTION)),
    Control(
        "ELB.12",
        "Requests cannot be smuggled",
        attribute("routing.http.desync_mitigation_mode", ("defensive", "strictest"), SMUGGLING),
    ),
    Control("ELB.13", "Load balancers are in several zones", is_in_several_zones),
    Control("ELB.16", "A web firewall is before load balancers", a_web_firewall_is_before_it),
    Control("ELB.17", "TLS is as recommended", tls_is_as_recommended),
    Control("ELB.18", "Listeners are encrypted", listeners_are_encrypted),
)
