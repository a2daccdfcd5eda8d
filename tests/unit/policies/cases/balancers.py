"""Load balancers."""

from infra.policies.aws_refuses.balancers import BALANCER, LISTENER, RULE, TARGETS
from infra.policies.resource import UNKNOWN, Resource
from tests.unit.policies.cases.case import Case

HTTPS = {"protocol": "HTTPS", "port": 443}

CASES = [
    Case("balancer-names", BALANCER, {"name": "internal-api"}, {"name": "api-internal"}),
    Case("balancer-names", TARGETS, {"name": "x" * 33}, {"name": "x" * 32}),
    Case("balancer-zones", BALANCER, {"subnets": [UNKNOWN]}, {"subnets": [UNKNOWN, UNKNOWN]}),
    Case(
        "attributes-of-applications",
        BALANCER,
        {"loadBalancerType": "network", "idleTimeout": 60},
        {"loadBalancerType": "application", "idleTimeout": 60},
    ),
    Case(
        "access-logs",
        BALANCER,
        {"accessLogs": {"enabled": True}},
        {"accessLogs": {"enabled": True, "bucket": UNKNOWN}},
    ),
    Case(
        "health-checks",
        TARGETS,
        {"protocol": "HTTP", "healthCheck": {"matcher": "200-500"}},
        {"protocol": "HTTP", "healthCheck": {"matcher": "200-499"}},
    ),
    Case(
        "target-kinds",
        TARGETS,
        {"targetType": "lambda", "port": 80},
        {"targetType": "instance", "port": 80, "protocol": "HTTP", "vpcId": UNKNOWN},
    ),
    Case(
        "health-checks",
        TARGETS,
        {"protocol": "HTTP", "healthCheck": {"interval": 5, "timeout": 5}},
        {"protocol": "HTTP", "healthCheck": {"interval": 5, "timeout": 4}},
    ),
    Case(
        "health-checks",
        TARGETS,
        {"protocol": "HTTP", "healthCheck": {"path": "healthz"}},
        {"protocol": "HTTP", "healthCheck": {"path": "/healthz", "matcher": "200-299"}},
    ),
    Case(
        "target-attributes",
        TARGETS,
        {"protocol": "HTTP", "slowStart": 30, "loadBalancingAlgorithmType": "least_outstanding_requests"},
        {"protocol": "HTTP", "slowStart": 30, "loadBalancingAlgorithmType": "round_robin"},
    ),
    Case("listener-certificates", LISTENER, HTTPS, {**HTTPS, "certificateArn": UNKNOWN}),
    Case(
        "listener-certificates",
        LISTENER,
        {"protocol": "HTTP", "sslPolicy": "ELBSecurityPolicy-2016-08"},
        {"protocol": "HTTP"},
    ),
    Case(
        "listener-actions",
        LISTENER,
        {"defaultActions": [{"type": "redirect", "redirect": {"statusCode": "HTTP_301"}}]},
        {"defaultActions": [{"type": "redirect", "redirect": {"statusCode": "HTTP_301", "protocol": "HTTPS"}}]},
    ),
    Case(
        "listener-actions",
        LISTENER,
        {"defaultActions": [{"type": "fixed-response", "fixedResponse": {"statusCode": "302"}}]},
        {"defaultActions": [{"type": "fixed-response", "fixedResponse": {"statusCode": "503"}}]},
    ),
    Case(
        "listener-protocols",
        LISTENER,
        {"protocol": "TCP"},
        {"protocol": "HTTP"},
        [Resource(BALANCER, "front", {})],
        {"loadBalancerArn": ["front"]},
    ),
    Case("rule-conditions", RULE, {"priority": 1}, {"conditions": [{"pathPattern": {"values": ["/v1/*"]}}]}),
    Case(
        "rule-priorities",
        RULE,
        {"priority": 7},
        {"priority": 8},
        [Resource(LISTENER, "https", {}), Resource(RULE, "first", {"priority": 7}, {"listenerArn": ["https"]})],
        {"listenerArn": ["https"]},
    ),
]
