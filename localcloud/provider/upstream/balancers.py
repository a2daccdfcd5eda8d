"""Load balancers, target groups, listeners. The provider looks at no idle time, and misses no certificate."""

from localcloud.provider.upstream.checks import Check, ExactlyOne, Value, Where
from localcloud.provider.upstream.forms import (
    ARN,
    between,
    matching,
    one_of,
    one_of_any_case,
    zero_or_between,
)

_PROTOCOLS = ("HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "GENEVE", "QUIC", "TCP_QUIC")
_ACTIONS = "defaultActions"
_NAME = matching(
    "([0-9A-Za-z]([0-9A-Za-z-]{0,30}[0-9A-Za-z])?)?",
    "1 to 32 letters, digits and hyphens, none at an end",
    ("g" * 32,),
    ("g" * 33, "a_b", "-a", "a-"),
)
_NOT_INTERNAL = matching(
    "(?s)(?!internal-).*", "a name that does not begin with internal-", ("gateway",), ("internal-gateway",)
)
_PATH = matching(
    "(?s)/.{0,1023}", "a path that begins with /, at most 1024 characters", ("/", "/healthz"), ("healthz",)
)
_PORT = matching("traffic-port|[0-9]{1,5}", "traffic-port or a port's number", ("traffic-port", "8080"), ("main",))

BALANCER: tuple[Check, ...] = (
    ExactlyOne(("subnetMappings", "subnets")),
    Value("name", _NAME),
    Value("name", _NOT_INTERNAL),
    Value("desyncMitigationMode", one_of("monitor", "defensive", "strictest")),
    Value("xffHeaderProcessingMode", one_of("append", "preserve", "remove")),
    Value("ipAddressType", one_of("ipv4", "dualstack", "dualstack-without-public-ipv4")),
    Value("loadBalancerType", one_of("application", "network", "gateway")),
)
TARGETS: tuple[Check, ...] = (
    Where("targetType", "lambda", default="instance", unless=True, required=("port", "protocol", "vpcId")),
    Value("name", _NAME),
    Value("port", between(1, 65535)),
    Value("protocol", one_of(*_PROTOCOLS)),
    Value("protocolVersion", one_of_any_case("HTTP1", "HTTP2", "GRPC")),
    Value("targetType", one_of("instance", "ip", "lambda", "alb")),
    Value("deregistrationDelay", between(0, 3600)),
    Value("slowStart", zero_or_between(30, 900)),
    Value(
        "loadBalancingAlgorithmType",
        one_of("round_robin", "least_outstanding_requests", "weighted_random"),
    ),
    Value("healthCheck.healthyThreshold", between(2, 10)),
    Value("healthCheck.unhealthyThreshold", between(2, 10)),
    Value("healthCheck.interval", between(5, 300)),
    Value("healthCheck.timeout", between(2, 120)),
    Value("healthCheck.path", _PATH),
    Value("healthCheck.port", _PORT),
    Value("healthCheck.protocol", one_of_any_case("HTTP", "HTTPS", "TCP")),
)
LISTENER: tuple[Check, ...] = (
    Value("certificateArn", ARN),
    Value("loadBalancerArn", ARN),
    Value("port", between(1, 65535)),
    Value("protocol", one_of_any_case(*_PROTOCOLS)),
    Value(
        f"{_ACTIONS}.type",
        one_of_any_case(
            "forward", "authenticate-oidc", "authenticate-cognito", "redirect", "fixed-response", "jwt-validation"
        ),
    ),
    Value(f"{_ACTIONS}.order", between(1, 50000)),
    Value(f"{_ACTIONS}.targetGroupArn", ARN),
    Value(
        f"{_ACTIONS}.fixedResponse.contentType",
        one_of("text/plain", "text/css", "text/html", "application/javascript", "application/json"),
    ),
    Value(
        f"{_ACTIONS}.fixedResponse.statusCode",
        matching("[245][0-9]{2}", "a code 2xx, 4xx or 5xx", ("200", "404", "599"), ("302", "99")),
    ),
    Value(f"{_ACTIONS}.redirect.protocol", one_of("#{protocol}", "HTTP", "HTTPS")),
    Value(f"{_ACTIONS}.redirect.statusCode", one_of("HTTP_301", "HTTP_302")),
)
TABLE = {
    "aws:lb/loadBalancer:LoadBalancer": ("elbv2/load_balancer.go", BALANCER),
    "aws:lb/targetGroup:TargetGroup": ("elbv2/target_group.go", TARGETS),
    "aws:lb/listener:Listener": ("elbv2/listener.go", LISTENER),
}
