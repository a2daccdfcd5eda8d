"""Load balancers, target groups, listeners and their rules."""

import re
from collections.abc import Iterator

from infra.policies.resource import Resource, Stack, number
from infra.policies.rule import among, between, exactly_one, only_with, rule, shown

BALANCER, TARGETS = "aws:lb/loadBalancer:LoadBalancer", "aws:lb/targetGroup:TargetGroup"
LISTENER, RULE = "aws:lb/listener:Listener", "aws:lb/listenerRule:ListenerRule"

API = "https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/"
GUIDE = "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/"
HTTP = ("HTTP", "HTTPS")
LAYER_4 = ("TCP", "TLS", "UDP", "TCP_UDP")
ACTIONS = "defaultActions[]"

LIMITS = [
    between(BALANCER, "idleTimeout", 1, 4000, f"{API}API_LoadBalancerAttribute.html"),
    between(BALANCER, "clientKeepAlive", 60, 604800, f"{API}API_LoadBalancerAttribute.html"),
    among(
        BALANCER, "desyncMitigationMode", ["monitor", "defensive", "strictest"], f"{API}API_LoadBalancerAttribute.html"
    ),
    among(
        BALANCER, "xffHeaderProcessingMode", ["append", "preserve", "remove"], f"{API}API_LoadBalancerAttribute.html"
    ),
    among(BALANCER, "loadBalancerType", ["application", "network", "gateway"], f"{API}API_CreateLoadBalancer.html"),
    between(TARGETS, "port", 1, 65535, f"{API}API_CreateTargetGroup.html"),
    between(TARGETS, "deregistrationDelay", 0, 3600, f"{API}API_TargetGroupAttribute.html"),
    between(TARGETS, "slowStart", 30, 900, f"{API}API_TargetGroupAttribute.html", or_zero=True),
    between(TARGETS, "stickiness.cookieDuration", 1, 604800, f"{API}API_TargetGroupAttribute.html"),
    between(TARGETS, "healthCheck.interval", 5, 300, f"{API}API_CreateTargetGroup.html"),
    between(TARGETS, "healthCheck.timeout", 2, 120, f"{API}API_CreateTargetGroup.html"),
    between(TARGETS, "healthCheck.healthyThreshold", 2, 10, f"{API}API_CreateTargetGroup.html"),
    between(TARGETS, "healthCheck.unhealthyThreshold", 2, 10, f"{API}API_CreateTargetGroup.html"),
    among(
        TARGETS,
        "loadBalancingAlgorithmType",
        ["round_robin", "least_outstanding_requests", "weighted_random"],
        f"{API}API_TargetGroupAttribute.html",
    ),
    between(LISTENER, "port", 1, 65535, f"{API}API_CreateListener.html"),
    between(RULE, "priority", 1, 50000, f"{API}API_CreateRule.html"),
    among(LISTENER, f"{ACTIONS}.redirect.statusCode", ["HTTP_301", "HTTP_302"], f"{API}API_RedirectActionConfig.html"),
]


@rule(BALANCER, TARGETS, source=f"{API}API_CreateLoadBalancer.html")
def balancer_names(resource: Resource) -> Iterator[str]:
    """At most 32 letters, digits and hyphens, none at an end; a load balancer's does not begin with internal-."""
    for place, name in resource.known("name"):
        if isinstance(name, str) and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?", name):
            yield f"{place} is {shown(name)}; must be 1 to 32 letters, digits and hyphens, none at an end"
        elif resource.type == BALANCER and str(name).startswith("internal-"):
            yield f"{place} is {name!r}; must not begin with internal-"


@rule(BALANCER, source=f"{API}API_CreateLoadBalancer.html")
def balancer_zones(balancer: Resource, stack: Stack) -> Iterator[str]:
    """An application load balancer wants two zones; subnets or mappings name them."""
    paths = ["subnets", "subnetMappings"]
    yield from exactly_one(balancer, paths)
    if balancer.get("loadBalancerType", "application") != "application":
        return
    for path in paths:
        given = balancer.get(path)
        if isinstance(given, list) and len(given) < 2:
            yield f"{path} has {len(given)} member; must be at least 2, in different zones"
    subnets = stack.behind(balancer, "subnets", "aws:ec2/subnet:Subnet")
    placed = [each.get("availabilityZone") for each in subnets]
    if len(placed) > 1 and all(placed) and len(set(placed)) != len(placed):
        yield f"subnets lie in {', '.join(map(str, placed))}; each zone may be named once"


@rule(BALANCER, source=f"{API}API_LoadBalancerAttribute.html", mandatory=False)
def attributes_of_applications(balancer: Resource) -> Iterator[str]:
    """What application load balancers alone have; the provider sends nothing of it for others."""
    kind = balancer.get("loadBalancerType", "application")
    for path in ("idleTimeout", "desyncMitigationMode", "clientKeepAlive", "dropInvalidHeaderFields"):
        if balancer.get(path):
            yield from only_with(balancer, path, kind == "application", f"for an application load balancer, not {kind}")


@rule(BALANCER, source=f"{API}API_LoadBalancerAttribute.html")
def access_logs(balancer: Resource) -> Iterator[str]:
    """Logs want a bucket."""
    if balancer.get("accessLogs.enabled") is True and not balancer.has("accessLogs.bucket"):
        yield "accessLogs.enabled without accessLogs.bucket; name the bucket"


@rule(TARGETS, source=f"{API}API_CreateTargetGroup.html")
def target_kinds(targets: Resource) -> Iterator[str]:
    """A function has no port, protocol and VPC; everything else has all three."""
    kind = targets.get("targetType", "instance")
    for path in ("port", "protocol", "vpcId"):
        if kind == "lambda":
            yield from only_with(targets, path, False, "with another targetType than lambda")
        elif not targets.has(path):
            yield f"{path} is missing for targetType {kind}; give it"


@rule(TARGETS, source=f"{API}API_CreateTargetGroup.html")
def health_checks(targets: Resource) -> Iterator[str]:
    """The timeout is shorter than the interval; a path begins with /; codes are 200 to 599."""
    base = "healthCheck"
    interval, timeout = (number(targets.get(f"{base}.{each}")) for each in ("interval", "timeout"))
    protocol = str(targets.get(f"{base}.protocol", targets.get("protocol", "HTTP")))
    if protocol in HTTP and timeout is not None and timeout >= (interval if interval is not None else 30):
        yield f"{base}.timeout is {timeout:g}; must be shorter than {base}.interval, which is {interval or 30:g}"
    path = targets.get(f"{base}.path")
    if isinstance(path, str) and path and protocol in HTTP and not re.fullmatch(r"/\S{0,1023}", path):
        yield f"{base}.path is {shown(path)}; must begin with / and have at most 1024 characters"
    codes = targets.get(f"{base}.matcher")
    most = 499 if targets.get("protocol") in HTTP else 599  # of an application load balancer, and of a network one
    if isinstance(codes, str) and codes and not _codes(codes, most):
        yield f"{base}.matcher is {codes!r}; must be codes from 200 to {most}, such as 200, 200,202 or 200-299"
    if protocol == "TCP":
        for each in ("path", "matcher"):
            yield from only_with(targets, f"{base}.{each}", False, "for HTTP and HTTPS")


def _codes(text: str, most: int) -> bool:
    """Codes and ranges of HTTP, or of gRPC, which are below 100."""
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text):
        return False
    codes = [int(each) for each in re.findall(r"\d+", text)]
    return all(200 <= each <= most for each in codes) or all(each <= 99 for each in codes)


@rule(TARGETS, source=f"{API}API_TargetGroupAttribute.html")
def target_attributes(targets: Resource) -> Iterator[str]:
    """Slow start and cookies belong to HTTP; slow start to round robin."""
    protocol, algorithm = targets.get("protocol", "HTTP"), targets.get("loadBalancingAlgorithmType", "round_robin")
    if number(targets.get("slowStart")):
        yield from only_with(targets, "slowStart", protocol in HTTP, f"for HTTP and HTTPS, not {protocol}")
        if algorithm != "round_robin":
            yield f"slowStart with loadBalancingAlgorithmType {algorithm}; must be round_robin"
    kind = targets.get("stickiness.type")
    wrong = {True: ("lb_cookie", "app_cookie"), False: ("source_ip", "source_ip_dest_ip")}[protocol not in HTTP]
    if kind in wrong:
        yield f"stickiness.type is {kind}, which {protocol} does not have"
    if kind == "app_cookie" and not targets.has("stickiness.cookieName"):
        yield "stickiness.type is app_cookie without stickiness.cookieName; give it"


@rule(LISTENER, source=f"{API}API_CreateListener.html")
def listener_certificates(listener: Resource) -> Iterator[str]:
    """HTTPS and TLS have a certificate, nothing else has one."""
    protocol, secure = listener.get("protocol", "HTTP"), listener.get("protocol") in ("HTTPS", "TLS")
    if secure and not listener.has("certificateArn"):
        yield f"protocol is {protocol} without certificateArn; give a certificate"
    for path in ("certificateArn", "sslPolicy"):
        yield from only_with(listener, path, secure, f"with protocol HTTPS or TLS, not {protocol}")
    yield from only_with(listener, "alpnPolicy", protocol == "TLS", f"with protocol TLS, not {protocol}")


@rule(LISTENER, RULE, source=f"{API}API_Action.html")
def listener_actions(listener: Resource) -> Iterator[str]:
    """Each action has the block of its kind; the last one answers."""
    blocks = {
        "redirect": ["redirect"],
        "fixed-response": ["fixedResponse"],
        "forward": ["targetGroupArn", "forward"],
        "authenticate-oidc": ["authenticateOidc"],
        "authenticate-cognito": ["authenticateCognito"],
    }
    path = ACTIONS if listener.type == LISTENER else "actions[]"
    for place, action in listener.known(path):
        if not isinstance(action, dict) or not isinstance(kind := action.get("type"), str):
            continue
        if kind in blocks and not any(action.get(each) for each in blocks[kind]):
            yield f"{place}.type is {kind} without {' or '.join(blocks[kind])}; give it"
        yield from _answers(place, action)


def _answers(place: str, action: dict[str, object]) -> Iterator[str]:
    fixed, redirect, forward = (action.get(each) for each in ("fixedResponse", "redirect", "forward"))
    if isinstance(fixed, dict):
        code, body = number(fixed.get("statusCode")), fixed.get("messageBody")
        if code is not None and not (200 <= code <= 299 or 400 <= code <= 599):
            yield f"{place}.fixedResponse.statusCode is {code:g}; must be 2xx, 4xx or 5xx"
        if isinstance(body, str) and len(body) > 1024:
            yield f"{place}.fixedResponse.messageBody has {len(body)} characters; must be at most 1024"
    if isinstance(redirect, dict):
        kept = {"protocol": "#{protocol}", "host": "#{host}", "port": "#{port}", "path": "/#{path}"}
        if all(redirect.get(key, same) == same for key, same in kept.items()):
            yield f"{place}.redirect leads to itself; change protocol, host, port or path"
    if isinstance(forward, dict) and isinstance(groups := forward.get("targetGroups"), list):
        if not 1 <= len(groups) <= 5:
            yield f"{place}.forward has {len(groups)} target groups; must be 1 to 5"
        for each in groups:
            weight = number(each.get("weight")) if isinstance(each, dict) else None
            if weight is not None and not 0 <= weight <= 999:
                yield f"{place}.forward has weight {weight:g}; must be 0 to 999"


@rule(LISTENER, source=f"{API}API_CreateListener.html")
def listener_protocols(listener: Resource, stack: Stack) -> Iterator[str]:
    """An application load balancer speaks HTTP, a network load balancer does not; and so do the targets."""
    protocol = listener.get("protocol")
    for balancer in stack.behind(listener, "loadBalancerArn", BALANCER):
        kind = balancer.get("loadBalancerType", "application")
        allowed = {"application": HTTP, "network": LAYER_4}.get(str(kind))
        if allowed and protocol is not None and protocol not in allowed:
            yield f"protocol is {protocol}; must be {' or '.join(allowed)} for the {kind} load balancer {balancer.name}"
        for targets in stack.behind(listener, "defaultActions", TARGETS):
            spoken = targets.get("protocol")
            if allowed == HTTP and spoken is not None and spoken not in HTTP and targets.get("targetType") != "lambda":
                yield f"target group {targets.name} speaks {spoken}; must be HTTP or HTTPS for {balancer.name}"


@rule(RULE, source=f"{API}API_RuleCondition.html")
def rule_conditions(each: Resource) -> Iterator[str]:
    """At least one condition, at most five values in all."""
    if not each.has("conditions"):
        yield "conditions is missing; give at least one"
    values = [
        value
        for path in ("hostHeader", "pathPattern", "httpRequestMethod", "sourceIp", "httpHeader")
        for _, value in each.known(f"conditions[].{path}.values[]")
    ]
    if len(values) > 5:
        yield f"conditions have {len(values)} values; must be at most 5 in all"


@rule(RULE, source=f"{API}API_CreateRule.html")
def rule_priorities(each: Resource, stack: Stack) -> Iterator[str]:
    """Each rule of a listener has a priority of its own."""
    mine = number(each.get("priority"))
    for listener in stack.behind(each, "listenerArn", LISTENER):
        for other in stack.of(RULE):
            if (
                other.name < each.name
                and mine is not None
                and number(other.get("priority")) == mine
                and listener in stack.behind(other, "listenerArn", LISTENER)
            ):
                yield f"priority is {mine:g}, as that of {other.name}; give each its own"
