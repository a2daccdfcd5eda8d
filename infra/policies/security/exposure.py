"""What the internet can reach, and what is stored or sent in the clear.

What is open is refused; what a control wants and is merely not said is advice, since AWS would make it.

Controls: AWS Foundational Security Best Practices, https://docs.aws.amazon.com/securityhub/latest/userguide/fsbp-standard.html
"""

import functools
import json
from collections.abc import Iterator
from typing import Any

from infra.policies.aws_refuses.balancers import BALANCER, LISTENER
from infra.policies.aws_refuses.ec2 import EBS, TEMPLATE
from infra.policies.aws_refuses.identity import IDENTITY_POLICIES, KEY, RESOURCE_POLICIES
from infra.policies.aws_refuses.messages import QUEUE
from infra.policies.aws_refuses.s3 import BUCKET
from infra.policies.aws_refuses.vpc import INGRESS, OLD_RULE
from infra.policies.aws_refuses.watching import LOGS
from infra.policies.resource import Resource, Stack, number
from infra.policies.rule import rule

HUB = "https://docs.aws.amazon.com/securityhub/latest/userguide/"
PRIVATE = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
WEB = (80, 443)
ANYWHERE = ("0.0.0.0/0", "::/0")
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")

secure = functools.partial(rule, group="security")


@secure(INGRESS, OLD_RULE, source=f"{HUB}ec2-controls.html#ec2-18")
def open_ports(permission: Resource) -> Iterator[str]:
    """The internet may come to 80 and 443, and nowhere else."""
    if permission.type == OLD_RULE and permission.get("type") != "ingress":
        return
    ports = (number(permission.get("fromPort")), number(permission.get("toPort")))
    everywhere = str(permission.get("ipProtocol", permission.get("protocol"))) == "-1"
    for path in ("cidrIpv4", "cidrIpv6", "cidrBlocks[]", "ipv6CidrBlocks[]"):
        for place, value in permission.known(path):
            if value in ANYWHERE and (everywhere or ports[0] != ports[1] or ports[0] not in WEB):
                yield f"{place} is {value} for ports {_ports(ports)}; name the ranges that may come"


def _ports(ports: tuple[float | None, float | None]) -> str:
    return "all" if None in ports else f"{ports[0]:g} to {ports[1]:g}"


@secure(TEMPLATE, source=f"{HUB}ec2-controls.html#ec2-170", mandatory=False)
def metadata_tokens(template: Resource) -> Iterator[str]:
    """Metadata wants a token, and answers no container behind the instance."""
    if template.get("metadataOptions.httpTokens", "optional") != "required":
        yield "metadataOptions.httpTokens is not required; set it: IMDSv1 gives a role's keys to any request"
    hops = number(template.get("metadataOptions.httpPutResponseHopLimit"))
    if hops is not None and hops > 1:
        yield f"metadataOptions.httpPutResponseHopLimit is {hops:g}; must be 1, so that no container gets there"


@secure(TEMPLATE, source=f"{HUB}ec2-controls.html#ec2-25")
def no_public_address(template: Resource) -> Iterator[str]:
    """Instances have no public address."""
    for place, value in template.known("networkInterfaces[].associatePublicIpAddress"):
        if value in (True, "true"):
            yield f"{place} is true; take it out, and let a load balancer or NAT gateway stand there"


@secure(TEMPLATE, source=f"{HUB}ec2-controls.html#ec2-3", mandatory=False)
def encrypted_disks(template: Resource) -> Iterator[str]:
    """Every disk is encrypted."""
    for place, value in template.known(EBS):
        if isinstance(value, dict) and value.get("encrypted") in (None, False, "false"):
            yield f"{place}.encrypted is not true; set it"


@secure(QUEUE, source=f"{HUB}sqs-controls.html#sqs-1")
def encrypted_queues(queue: Resource) -> Iterator[str]:
    """Messages at rest are encrypted."""
    if queue.get("sqsManagedSseEnabled") is False and not queue.has("kmsMasterKeyId"):
        yield "sqsManagedSseEnabled is false without kmsMasterKeyId; encrypt by one of them"


@secure(PRIVATE, source=f"{HUB}s3-controls.html#s3-8")
def public_access(block: Resource) -> Iterator[str]:
    """All four ways to the public are blocked."""
    for path in BLOCKS:
        if block.get(path, False) is False:
            yield f"{path} is not true; set it"


@secure(BUCKET, source=f"{HUB}s3-controls.html#s3-8", mandatory=False)
def private_buckets(bucket: Resource, stack: Stack) -> Iterator[str]:
    """Each bucket says that it is private, whatever the account's default is."""
    if not any(bucket in stack.behind(each, "bucket", BUCKET) for each in stack.of(PRIVATE)):
        yield "no BucketPublicAccessBlock; add one with all four settings true"


@secure(BUCKET, source=f"{HUB}s3-controls.html#s3-5", mandatory=False)
def buckets_by_tls(bucket: Resource, stack: Stack) -> Iterator[str]:
    """A bucket's policy refuses plain HTTP."""
    policies = [each for each in stack.of(BUCKET_POLICY) if bucket in stack.behind(each, "bucket", BUCKET)]
    known_texts = [each.get("policy") for each in policies]
    if not policies:
        yield "no BucketPolicy; add one that denies requests with aws:SecureTransport false"
    elif all(isinstance(text, str) and "aws:SecureTransport" not in text for text in known_texts):
        yield "its policy lets plain HTTP through; deny requests with aws:SecureTransport false"


@secure(*RESOURCE_POLICIES, source=f"{HUB}s3-controls.html#s3-2")
def not_for_everybody(resource: Resource) -> Iterator[str]:
    """No policy lets everybody in without a condition."""
    for place, each in _statements(resource, RESOURCE_POLICIES[resource.type]):
        everybody = each.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        if each.get("Effect") == "Allow" and everybody and not each.get("Condition"):
            yield f"{place} lets everybody in; name who is meant, or a condition"


@secure(*IDENTITY_POLICIES, source=f"{HUB}iam-controls.html#iam-1")
def not_everything(resource: Resource) -> Iterator[str]:
    """No policy allows everything, nor all of a service on everything."""
    for place, each in _statements(resource, IDENTITY_POLICIES[resource.type]):
        actions, resources = (_listed(each.get(key)) for key in ("Action", "Resource"))
        wide = [action for action in actions if action == "*" or str(action).endswith(":*")]
        if each.get("Effect") == "Allow" and wide and "*" in resources:
            yield f"{place} allows {', '.join(map(str, wide))} on *; name actions, or resources"


@secure(BALANCER, source=f"{HUB}elb-controls.html#elb-4", mandatory=False)
def invalid_headers(balancer: Resource) -> Iterator[str]:
    """Headers that are none are dropped: they smuggle requests."""
    application = balancer.get("loadBalancerType", "application") == "application"
    if application and balancer.get("dropInvalidHeaderFields", False) is False:
        yield "dropInvalidHeaderFields is not true; set it"


@secure(LISTENER, source=f"{HUB}elb-controls.html#elb-1", mandatory=False)
def public_http(listener: Resource, stack: Stack) -> Iterator[str]:
    """A public load balancer answers by TLS, or leads there."""
    kinds = [value for _, value in listener.known("defaultActions[].type")]
    if listener.get("protocol", "HTTP") == "HTTP" and "redirect" not in kinds:
        for balancer in stack.behind(listener, "loadBalancerArn", BALANCER):
            if balancer.get("internal", False) is False:
                yield f"plain HTTP on {balancer.name}, which is public; give certificateArn, or redirect to HTTPS"


@secure(KEY, source=f"{HUB}kms-controls.html#kms-4", mandatory=False)
def rotated_keys(key: Resource) -> Iterator[str]:
    """A key is rotated."""
    symmetric = key.get("customerMasterKeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
    if symmetric and key.get("enableKeyRotation", False) is False:
        yield "enableKeyRotation is not true; KMS does it every year, and nothing else changes"


@secure(LOGS, source=f"{HUB}cloudwatch-controls.html#cloudwatch-16", mandatory=False)
def logs_that_end(group: Resource) -> Iterator[str]:
    """A log group forgets some day: what is kept for ever is paid for ever."""
    if not number(group.get("retentionInDays", 0)):
        yield "retentionInDays is not given; logs are kept, and billed, for ever"


def _statements(resource: Resource, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for place, value in resource.known(path):
        try:
            document = json.loads(value) if isinstance(value, str) and value else value
        except ValueError:
            continue  # another rule says so
        found = document.get("Statement", []) if isinstance(document, dict) else []
        for index, each in enumerate(_listed(found)):
            if isinstance(each, dict):
                yield f"{place}.Statement[{index}]", each


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
