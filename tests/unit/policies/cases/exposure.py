"""What the internet can reach, and what is stored or sent in the clear."""

from typing import Any

from infra.policies.aws_refuses.balancers import BALANCER, LISTENER
from infra.policies.aws_refuses.ec2 import TEMPLATE
from infra.policies.aws_refuses.identity import KEY, ROLE_POLICY
from infra.policies.aws_refuses.messages import QUEUE
from infra.policies.aws_refuses.s3 import BUCKET
from infra.policies.aws_refuses.vpc import INGRESS
from infra.policies.aws_refuses.watching import LOGS
from infra.policies.resource import Resource
from infra.policies.security.exposure import BLOCKS, BUCKET_POLICY, PRIVATE
from tests.unit.policies.cases.case import EVERYBODY, Case, Props, disk, statement


def secure(id_: str, type_: str, wrong: Props, right: Props, **more: Any) -> Case:
    return Case(id_, type_, wrong, right, **more, group="security")


FROM = {"ipProtocol": "tcp", "cidrIpv4": "0.0.0.0/0"}
TOKENS = {"metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1}}
FRONT = [Resource(BALANCER, "front", {"internal": False})]
TLS_ONLY = statement(Effect="Deny", Condition={"Bool": {"aws:SecureTransport": "false"}}, **EVERYBODY)

CASES = [
    secure("open-ports", INGRESS, {**FROM, "fromPort": 22, "toPort": 22}, {**FROM, "fromPort": 443, "toPort": 443}),
    secure("open-ports", INGRESS, {**FROM, "ipProtocol": "-1"}, {"ipProtocol": "-1", "cidrIpv4": "10.0.0.0/8"}),
    secure("metadata-tokens", TEMPLATE, {"imageId": "ami-1"}, TOKENS),
    secure(
        "no-public-address",
        TEMPLATE,
        {"networkInterfaces": [{"associatePublicIpAddress": "true"}]},
        {"networkInterfaces": [{"associatePublicIpAddress": "false"}]},
    ),
    secure("encrypted-disks", TEMPLATE, disk(), disk(encrypted="true")),
    secure("encrypted-queues", QUEUE, {"sqsManagedSseEnabled": False}, {"sqsManagedSseEnabled": True}),
    secure("public-access", PRIVATE, dict.fromkeys(BLOCKS[:3], True), dict.fromkeys(BLOCKS, True)),
    secure(
        "private-buckets",
        BUCKET,
        {},
        {},
        right_others=[Resource(PRIVATE, "private", {}, {"bucket": ["subject"]})],
    ),
    secure(
        "buckets-by-tls",
        BUCKET,
        {},
        {},
        others=[Resource(BUCKET_POLICY, "policy", {"policy": statement(**EVERYBODY)}, {"bucket": ["subject"]})],
        right_others=[Resource(BUCKET_POLICY, "policy", {"policy": TLS_ONLY}, {"bucket": ["subject"]})],
    ),
    secure(
        "not-for-everybody",
        QUEUE,
        {"policy": statement(**EVERYBODY)},
        {"policy": statement(Condition={"ArnEquals": {"aws:SourceArn": "arn:a"}}, **EVERYBODY)},
    ),
    secure(
        "not-everything",
        ROLE_POLICY,
        {"policy": statement(Action=["s3:*"], Resource="*")},
        {"policy": statement(Action=["s3:*"], Resource="arn:aws:s3:::models/*")},
    ),
    secure("invalid-headers", BALANCER, {"internal": True}, {"dropInvalidHeaderFields": True}),
    secure(
        "public-http",
        LISTENER,
        {"protocol": "HTTP", "defaultActions": [{"type": "forward"}]},
        {"protocol": "HTTP", "defaultActions": [{"type": "redirect"}]},
        others=FRONT,
        refers_to={"loadBalancerArn": ["front"]},
    ),
    secure("rotated-keys", KEY, {"enableKeyRotation": False}, {"enableKeyRotation": True}),
    secure("logs-that-end", LOGS, {"retentionInDays": 0}, {"retentionInDays": 1}),
]
