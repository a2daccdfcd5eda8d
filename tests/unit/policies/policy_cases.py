"""For each hand-written rule, inputs that it refuses and inputs that just pass. `others` are the resources beside it.

The values are made up from AWS's pages, which the rules name.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.policies.aws_refuses import autoscaling as a
from infra.policies.aws_refuses import balancers as b
from infra.policies.aws_refuses import ec2 as e
from infra.policies.aws_refuses import identity as i
from infra.policies.aws_refuses import messages as m
from infra.policies.aws_refuses import s3 as s
from infra.policies.aws_refuses import vpc as v
from infra.policies.aws_refuses import watching as w
from infra.policies.resource import UNKNOWN, Resource
from infra.policies.security import exposure as x

Props = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """`wrong` breaks the rule `id`, `right` does not; both are the inputs of a resource `subject` of this type."""

    id: str
    type: str
    wrong: Props
    right: Props
    others: Sequence[Resource] = ()
    refers_to: Mapping[str, Sequence[str]] = field(default_factory=dict)
    right_others: Sequence[Resource] | None = None
    group: str = "aws_refuses"

    @property
    def rule(self) -> str:
        return f"{self.group}/{self.id}"

    def resources(self, props: Props, others: Sequence[Resource]) -> list[Resource]:
        return [Resource(self.type, "subject", props, self.refers_to), *others]


def mixed(*types: str, share: Any = 0, **distribution: Any) -> Props:
    return {
        "mixedInstancesPolicy": {
            "launchTemplate": {
                "launchTemplateSpecification": {"launchTemplateId": UNKNOWN, "version": "3"},
                "overrides": [{"instanceType": each} for each in types],
            },
            "instancesDistribution": {"onDemandPercentageAboveBaseCapacity": share, **distribution},
        }
    }


def overrides(*members: Props) -> Props:
    return {"mixedInstancesPolicy": {"launchTemplate": {"overrides": list(members)}}}


def preferences(**given: Any) -> Props:
    return {"instanceRefresh": {"strategy": "Rolling", "preferences": given}}


def spot_template(**more: Any) -> Resource:
    return Resource(a.TEMPLATE, "template", {"instanceMarketOptions": {"marketType": "spot"}, **more})


def tracking(**given: Any) -> Props:
    return {"policyType": "TargetTrackingScaling", "targetTrackingConfiguration": given}


def metrics(*members: Props) -> Props:
    return tracking(targetValue=5, customizedMetricSpecification={"metrics": list(members)})


def stat(id_: str, period: int = 60, **more: Any) -> Props:
    return {"id": id_, "metricStat": {"period": period, "stat": "Sum"}, **more}


def text(document: Any) -> str:
    return json.dumps(document)


def statement(**given: Any) -> str:
    return text({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", **given}]})


TYPE_AND_REQUIREMENTS = {"instanceType": "c7i.xlarge", "instanceRequirements": {"vcpuCount": {"min": 4}}}
IN_VPC = [Resource(v.VPC, "vpc", {"cidrBlock": "10.7.0.0/16"})]
BUCKET = [Resource(s.BUCKET, "bucket", {})]
OF_BUCKET = {"bucket": ["bucket"]}
DISK = {"ebs": {"volumeType": "gp3", "volumeSize": 100}}


def disk(**given: Any) -> Props:
    return {"blockDeviceMappings": [{"deviceName": "/dev/sda1", "ebs": {"volumeSize": 100, **given}}]}


def lifecycle(**rule: Any) -> Props:
    return {"rules": [{"id": "old", "status": "Enabled", **rule}]}


AUTO_SCALING = [
    Case("group-bounds", a.GROUP, {"minSize": 4, "maxSize": 3}, {"minSize": 3, "maxSize": 3}),
    Case(
        "group-bounds",
        a.GROUP,
        {"minSize": 0, "maxSize": 3, "desiredCapacity": 4},
        {"minSize": 0, "maxSize": 3, "desiredCapacity": UNKNOWN},
    ),
    Case("group-template", a.GROUP, {"launchTemplate": {"id": "lt-1"}, **mixed("c7i.large")}, mixed("c7i.large")),
    Case("group-template", a.GROUP, {"minSize": 0}, {"launchTemplate": {"id": UNKNOWN}}),
    Case("group-place", a.GROUP, {"maxSize": 1}, {"vpcZoneIdentifiers": [UNKNOWN]}),
    Case(
        "template-by-id-or-name",
        a.GROUP,
        {"launchTemplate": {"id": "lt-0a", "name": "node"}},
        {"launchTemplate": {"id": UNKNOWN, "version": "1"}},
    ),
    Case("termination-policies", a.GROUP, {"terminationPolicies": ["Oldest"]}, {"terminationPolicies": ["Default"]}),
    Case(
        "mixed-overrides",
        a.GROUP,
        overrides(*({"instanceType": f"c{n}.large"} for n in range(41))),
        overrides(*({"instanceType": f"c{n}.large"} for n in range(40))),
    ),
    Case("mixed-overrides", a.GROUP, mixed("c7i.large", "c7i.large"), mixed("c7i.large", "c7a.large")),
    Case("mixed-overrides", a.GROUP, overrides(TYPE_AND_REQUIREMENTS), overrides({"instanceType": "c7i.xlarge"})),
    Case(
        "mixed-overrides",
        a.GROUP,
        overrides({"instanceType": "c7i.large", "weightedCapacity": "1000"}),
        overrides({"instanceType": "c7i.large", "weightedCapacity": "999"}),
    ),
    Case(
        "spot-pools",
        a.GROUP,
        mixed("c7i.large", spotAllocationStrategy="capacity-optimized", spotInstancePools=2),
        mixed("c7i.large", spotAllocationStrategy="lowest-price", spotInstancePools=2),
    ),
    Case(
        "warm-pool-with-spot",
        a.GROUP,
        {"warmPool": {"poolState": "Stopped"}, **mixed("c7i.large", share=99)},
        {"warmPool": {"poolState": "Stopped"}, **mixed("c7i.large", share=100)},
    ),
    Case(
        "warm-pool-with-spot",
        a.GROUP,
        {"warmPool": {"poolState": "Stopped"}, "launchTemplate": {"id": UNKNOWN}},
        {"launchTemplate": {"id": UNKNOWN}},
        [spot_template()],
        {"launchTemplate": ["template"]},
    ),
    Case(
        "warm-pool-bounds",
        a.GROUP,
        {"warmPool": {"minSize": 3, "maxGroupPreparedCapacity": 2}},
        {"warmPool": {"minSize": 3, "maxGroupPreparedCapacity": -1}},
    ),
    Case(
        "hibernated-pool",
        a.GROUP,
        {"warmPool": {"poolState": "Hibernated"}, **mixed("g5.xlarge", share=100)},
        {"warmPool": {"poolState": "Stopped"}, **mixed("g5.xlarge", share=100)},
    ),
    Case(
        "refresh-range",
        a.GROUP,
        preferences(minHealthyPercentage=50, maxHealthyPercentage=151),
        preferences(minHealthyPercentage=50, maxHealthyPercentage=150),
    ),
    Case(
        "refresh-checkpoints",
        a.GROUP,
        preferences(checkpointPercentages=[50, 20]),
        preferences(checkpointPercentages=[20, 50, 100]),
    ),
    Case(
        "refresh-rollback",
        a.GROUP,
        {"launchTemplate": {"id": UNKNOWN, "version": "$Latest"}, **preferences(autoRollback=True)},
        {"launchTemplate": {"id": UNKNOWN, "version": UNKNOWN}, **preferences(autoRollback=True)},
    ),
    Case(
        "maintenance-policy",
        a.GROUP,
        {"instanceMaintenancePolicy": {"minHealthyPercentage": 90, "maxHealthyPercentage": 191}},
        {"instanceMaintenancePolicy": {"minHealthyPercentage": 90, "maxHealthyPercentage": 190}},
    ),
    Case(
        "hooks-in-a-group",
        a.GROUP,
        {"initialLifecycleHooks": [{"name": "warm", "roleArn": "arn:aws:iam::1:role/r"}]},
        {"initialLifecycleHooks": [{"name": "warm"}, {"name": "drained"}]},
    ),
    Case("hook-target", a.HOOK, {"notificationTargetArn": UNKNOWN}, {"notificationTargetArn": "a", "roleArn": "b"}),
    Case(
        "hook-target",
        a.HOOK,
        {"notificationTargetArn": UNKNOWN, "roleArn": UNKNOWN},
        {"notificationTargetArn": UNKNOWN, "roleArn": UNKNOWN},
        [Resource(a.QUEUE, "events", {"fifoQueue": True})],
        {"notificationTargetArn": ["events"]},
        [Resource(a.QUEUE, "events", {})],
    ),
    Case(
        "policy-kind",
        a.POLICY,
        {"policyType": "StepScaling", "adjustmentType": "ChangeInCapacity", "scalingAdjustment": 1},
        {
            "policyType": "StepScaling",
            "adjustmentType": "ChangeInCapacity",
            "stepAdjustments": [{"scalingAdjustment": 1}],
        },
    ),
    Case(
        "policy-kind",
        a.POLICY,
        {"policyType": "TargetTrackingScaling"},
        tracking(targetValue=5, predefinedMetricSpecification={}),
    ),
    Case(
        "least-step",
        a.POLICY,
        {"adjustmentType": "ChangeInCapacity", "minAdjustmentMagnitude": 2},
        {"adjustmentType": "PercentChangeInCapacity", "minAdjustmentMagnitude": 2},
    ),
    Case(
        "policy-steps",
        a.POLICY,
        {
            "stepAdjustments": [
                {"metricIntervalLowerBound": "0", "metricIntervalUpperBound": "10"},
                {"metricIntervalLowerBound": "15"},
            ]
        },
        {
            "stepAdjustments": [
                {"metricIntervalLowerBound": "0", "metricIntervalUpperBound": "10"},
                {"metricIntervalLowerBound": "10"},
            ]
        },
    ),
    Case(
        "policy-target",
        a.POLICY,
        tracking(targetValue=0, predefinedMetricSpecification={"predefinedMetricType": "ASGAverageCPUUtilization"}),
        tracking(targetValue=0.1, predefinedMetricSpecification={"predefinedMetricType": "ASGAverageCPUUtilization"}),
    ),
    Case(
        "policy-target",
        a.POLICY,
        tracking(targetValue=9, predefinedMetricSpecification={"predefinedMetricType": "ALBRequestCountPerTarget"}),
        tracking(
            targetValue=9,
            predefinedMetricSpecification={
                "predefinedMetricType": "ALBRequestCountPerTarget",
                "resourceLabel": UNKNOWN,
            },
        ),
    ),
    Case(
        "metric-math",
        a.POLICY,
        metrics(stat("m1"), {"id": "e1", "expression": "m1 / 2"}),
        metrics(stat("m1", returnData=False), {"id": "e1", "expression": "m1 / 2"}),
    ),
    Case(
        "metric-math",
        a.POLICY,
        metrics(stat("m1", 30, returnData=False), stat("m2", 60)),
        metrics(stat("m1", 60, returnData=False), stat("m2", 60)),
    ),
    Case("scheduled-action", a.SCHEDULE, {"recurrence": "0 9 * * *"}, {"recurrence": "0 9 * * *", "minSize": 1}),
    Case(
        "scheduled-action",
        a.SCHEDULE,
        {"minSize": 1, "startTime": "2030-01-02T00:00:00Z", "endTime": "2030-01-01T00:00:00Z"},
        {"minSize": 1, "startTime": "2030-01-01T00:00:00Z", "endTime": "2030-01-02T00:00:00Z"},
    ),
    Case(
        "mixed-policy-template",
        a.GROUP,
        mixed("c7i.large"),
        mixed("c7i.large"),
        [spot_template()],
        {"mixedInstancesPolicy": ["template"]},
        [Resource(a.TEMPLATE, "template", {"instanceType": "c7i.large"})],
    ),
]

EC2 = [
    Case(
        "user-data",
        e.TEMPLATE,
        {"userData": base64.b64encode(b"x" * 16385).decode()},
        {"userData": base64.b64encode(b"x" * 16384).decode()},
    ),
    Case("user-data", e.TEMPLATE, {"userData": "#!/bin/sh"}, {"userData": UNKNOWN}),
    Case("template-name", e.TEMPLATE, {"name": "a node"}, {"name": "a/node"}),
    Case("type-or-requirements", e.TEMPLATE, TYPE_AND_REQUIREMENTS, {"instanceType": "c7i.xlarge"}),
    Case(
        "groups-on-an-interface",
        e.TEMPLATE,
        {"vpcSecurityGroupIds": [UNKNOWN], "networkInterfaces": [{"subnetId": "subnet-1"}]},
        {"networkInterfaces": [{"securityGroups": [UNKNOWN]}]},
    ),
    Case(
        "spot-options",
        e.TEMPLATE,
        {"instanceMarketOptions": {"marketType": "spot", "spotOptions": {"instanceInterruptionBehavior": "stop"}}},
        {
            "instanceMarketOptions": {
                "marketType": "spot",
                "spotOptions": {"instanceInterruptionBehavior": "stop", "spotInstanceType": "persistent"},
            }
        },
    ),
    Case("volumes", e.TEMPLATE, disk(volumeType="gp2", iops=3000), disk(volumeType="gp3", iops=3000)),
    Case("volumes", e.TEMPLATE, disk(volumeType="gp3", throughput=751), disk(volumeType="gp3", throughput=750)),
    Case("volumes", e.TEMPLATE, disk(volumeType="gp3", iops=50001), disk(volumeType="gp3", iops=50000)),
    Case("volumes", e.TEMPLATE, disk(volumeType="io2"), disk(volumeType="io2", iops=1000)),
    Case("volumes", e.TEMPLATE, disk(kmsKeyId=UNKNOWN), disk(kmsKeyId=UNKNOWN, encrypted="true")),
    Case("volumes", e.VOLUME, {"type": "st1", "size": 124}, {"type": "st1", "size": 125}),
    Case("network-ranges", v.VPC, {"cidrBlock": "10.0.0.0/15"}, {"cidrBlock": "10.0.0.0/16"}),
    Case("network-ranges", v.SUBNET, {"cidrBlock": "10.0.0.0/29"}, {"cidrBlock": "10.0.0.0/28"}),
    Case("network-ranges", v.VPC, {"cidrBlock": "10.0.0.1/16"}, {"cidrBlock": UNKNOWN}),
    Case(
        "subnet-in-its-vpc",
        v.SUBNET,
        {"cidrBlock": "10.8.0.0/24", "vpcId": UNKNOWN},
        {"cidrBlock": "10.7.9.0/24", "vpcId": UNKNOWN},
        IN_VPC,
        {"vpcId": ["vpc"]},
    ),
    Case(
        "subnet-in-its-vpc",
        v.SUBNET,
        {"cidrBlock": "10.7.0.0/24", "vpcId": UNKNOWN},
        {"cidrBlock": "10.7.1.0/24", "vpcId": UNKNOWN},
        [*IN_VPC, Resource(v.SUBNET, "other", {"cidrBlock": "10.7.0.0/25"}, {"vpcId": ["vpc"]})],
        {"vpcId": ["vpc"]},
    ),
    Case("security-group-names", v.GROUP, {"name": "sg-nodes"}, {"name": "nodes-sg"}),
    Case("security-group-names", v.GROUP, {"description": "50 % of the nodes"}, {"description": "traffic of nodes"}),
    Case(
        "rule-ports",
        v.INGRESS,
        {"ipProtocol": "tcp", "fromPort": 443, "toPort": 80},
        {"ipProtocol": "tcp", "fromPort": 80, "toPort": 443},
    ),
    Case("rule-ports", v.EGRESS, {"ipProtocol": "-1", "fromPort": 80}, {"ipProtocol": "-1"}),
    Case(
        "rule-sides",
        v.INGRESS,
        {"cidrIpv4": "10.0.0.0/8", "referencedSecurityGroupId": UNKNOWN},
        {"referencedSecurityGroupId": UNKNOWN},
    ),
    Case("old-rule-sides", v.OLD_RULE, {"protocol": "tcp"}, {"protocol": "tcp", "self": True}),
    Case("whole-ranges", v.INGRESS, {"cidrIpv4": "10.0.0.5/8"}, {"cidrIpv4": "10.0.0.5/32"}),
    Case(
        "endpoint-kinds",
        v.ENDPOINT,
        {"serviceName": "com.amazonaws.us-east-1.sqs"},
        {"serviceName": "com.amazonaws.us-east-1.s3", "routeTableIds": [UNKNOWN]},
    ),
    Case(
        "endpoint-kinds",
        v.ENDPOINT,
        {"vpcEndpointType": "Interface", "routeTableIds": [UNKNOWN]},
        {"vpcEndpointType": "Interface", "subnetIds": [UNKNOWN], "privateDnsEnabled": True},
    ),
    Case("nat-addresses", v.NAT, {"subnetId": UNKNOWN}, {"subnetId": UNKNOWN, "allocationId": UNKNOWN}),
    Case(
        "flow-logs",
        v.FLOW_LOG,
        {"vpcId": UNKNOWN, "trafficType": "ALL", "logDestination": UNKNOWN},
        {"vpcId": UNKNOWN, "trafficType": "ALL", "logDestination": UNKNOWN, "iamRoleArn": UNKNOWN},
    ),
    Case(
        "routes",
        v.ROUTE,
        {"destinationCidrBlock": "0.0.0.0/0", "gatewayId": UNKNOWN, "natGatewayId": UNKNOWN},
        {"destinationCidrBlock": "0.0.0.0/0", "natGatewayId": UNKNOWN},
    ),
]

HTTPS = {"protocol": "HTTPS", "port": 443}
BALANCERS = [
    Case("balancer-names", b.BALANCER, {"name": "internal-api"}, {"name": "api-internal"}),
    Case("balancer-names", b.TARGETS, {"name": "x" * 33}, {"name": "x" * 32}),
    Case("balancer-zones", b.BALANCER, {"subnets": [UNKNOWN]}, {"subnets": [UNKNOWN, UNKNOWN]}),
    Case(
        "attributes-of-applications",
        b.BALANCER,
        {"loadBalancerType": "network", "idleTimeout": 60},
        {"loadBalancerType": "application", "idleTimeout": 60},
    ),
    Case(
        "access-logs",
        b.BALANCER,
        {"accessLogs": {"enabled": True}},
        {"accessLogs": {"enabled": True, "bucket": UNKNOWN}},
    ),
    Case(
        "health-checks",
        b.TARGETS,
        {"protocol": "HTTP", "healthCheck": {"matcher": "200-500"}},
        {"protocol": "HTTP", "healthCheck": {"matcher": "200-499"}},
    ),
    Case(
        "target-kinds",
        b.TARGETS,
        {"targetType": "lambda", "port": 80},
        {"targetType": "instance", "port": 80, "protocol": "HTTP", "vpcId": UNKNOWN},
    ),
    Case(
        "health-checks",
        b.TARGETS,
        {"protocol": "HTTP", "healthCheck": {"interval": 5, "timeout": 5}},
        {"protocol": "HTTP", "healthCheck": {"interval": 5, "timeout": 4}},
    ),
    Case(
        "health-checks",
        b.TARGETS,
        {"protocol": "HTTP", "healthCheck": {"path": "healthz"}},
        {"protocol": "HTTP", "healthCheck": {"path": "/healthz", "matcher": "200-299"}},
    ),
    Case(
        "target-attributes",
        b.TARGETS,
        {"protocol": "HTTP", "slowStart": 30, "loadBalancingAlgorithmType": "least_outstanding_requests"},
        {"protocol": "HTTP", "slowStart": 30, "loadBalancingAlgorithmType": "round_robin"},
    ),
    Case("listener-certificates", b.LISTENER, HTTPS, {**HTTPS, "certificateArn": UNKNOWN}),
    Case(
        "listener-certificates",
        b.LISTENER,
        {"protocol": "HTTP", "sslPolicy": "ELBSecurityPolicy-2016-08"},
        {"protocol": "HTTP"},
    ),
    Case(
        "listener-actions",
        b.LISTENER,
        {"defaultActions": [{"type": "redirect", "redirect": {"statusCode": "HTTP_301"}}]},
        {"defaultActions": [{"type": "redirect", "redirect": {"statusCode": "HTTP_301", "protocol": "HTTPS"}}]},
    ),
    Case(
        "listener-actions",
        b.LISTENER,
        {"defaultActions": [{"type": "fixed-response", "fixedResponse": {"statusCode": "302"}}]},
        {"defaultActions": [{"type": "fixed-response", "fixedResponse": {"statusCode": "503"}}]},
    ),
    Case(
        "listener-protocols",
        b.LISTENER,
        {"protocol": "TCP"},
        {"protocol": "HTTP"},
        [Resource(b.BALANCER, "front", {})],
        {"loadBalancerArn": ["front"]},
    ),
    Case("rule-conditions", b.RULE, {"priority": 1}, {"conditions": [{"pathPattern": {"values": ["/v1/*"]}}]}),
    Case(
        "rule-priorities",
        b.RULE,
        {"priority": 7},
        {"priority": 8},
        [Resource(b.LISTENER, "https", {}), Resource(b.RULE, "first", {"priority": 7}, {"listenerArn": ["https"]})],
        {"listenerArn": ["https"]},
    ),
]

DEAD = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:1:dead", "maxReceiveCount": 5}
MESSAGES = [
    Case(
        "queue-and-topic-names", m.QUEUE, {"name": "jobs", "fifoQueue": True}, {"name": "jobs.fifo", "fifoQueue": True}
    ),
    Case("queue-and-topic-names", m.TOPIC, {"name": "a b"}, {"name": "a-b"}),
    Case(
        "fifo-properties",
        m.QUEUE,
        {"contentBasedDeduplication": True},
        {"contentBasedDeduplication": True, "fifoQueue": True},
    ),
    Case(
        "one-encryption",
        m.QUEUE,
        {"kmsMasterKeyId": UNKNOWN, "sqsManagedSseEnabled": True},
        {"kmsMasterKeyId": UNKNOWN, "sqsManagedSseEnabled": False},
    ),
    Case(
        "dead-letters", m.QUEUE, {"redrivePolicy": text({**DEAD, "maxReceiveCount": 0})}, {"redrivePolicy": text(DEAD)}
    ),
    Case(
        "dead-letters",
        m.QUEUE,
        {"fifoQueue": True, "redrivePolicy": UNKNOWN},
        {"fifoQueue": True, "redrivePolicy": UNKNOWN},
        [Resource(m.QUEUE, "dead", {})],
        {"redrivePolicy": ["dead"]},
        [Resource(m.QUEUE, "dead", {"fifoQueue": True})],
    ),
    Case(
        "dead-letters-from",
        m.ALLOW,
        {"redriveAllowPolicy": text({"redrivePermission": "byQueue"})},
        {"redriveAllowPolicy": text({"redrivePermission": "byQueue", "sourceQueueArns": ["arn:a"]})},
    ),
    Case("topic-deduplication", m.TOPIC, {"contentBasedDeduplication": True}, {"fifoTopic": True}),
    Case(
        "subscription-endpoints",
        m.SUBSCRIPTION,
        {"protocol": "https", "endpoint": "http://example.com"},
        {"protocol": "https", "endpoint": "https://example.com"},
    ),
    Case("subscription-filters", m.SUBSCRIPTION, {"filterPolicy": "[1]"}, {"filterPolicy": '{"kind": ["a"]}'}),
    Case("event-triggers", m.RULE, {"name": "r"}, {"eventPattern": text({"source": ["aws.ec2"]})}),
    Case(
        "event-schedules", m.RULE, {"scheduleExpression": "rate(1 minutes)"}, {"scheduleExpression": "rate(1 minute)"}
    ),
    Case(
        "event-schedules",
        m.RULE,
        {"scheduleExpression": "cron(0 9 * * *)"},
        {"scheduleExpression": "cron(0 9 * * ? *)"},
    ),
    Case("event-inputs", m.TARGET, {"input": "{}", "inputPath": "$.detail"}, {"inputPath": "$.detail"}),
]

STORAGE = [
    Case("bucket-name", s.BUCKET, {"bucket": "192.168.5.4"}, {"bucket": "v192.168.5.4"}),
    Case("bucket-name", s.BUCKET, {"bucket": "Models"}, {"bucket": "models"}),
    Case("bucket-name", s.BUCKET, {"bucket": "models-s3alias"}, {"bucket": "models-s3-alias"}),
    Case("lifecycle-rules", s.LIFECYCLE, lifecycle(), lifecycle(expiration={"days": 1})),
    Case(
        "lifecycle-rules",
        s.LIFECYCLE,
        lifecycle(expiration={"days": 1}, filter={"prefix": "a/", "tag": {"key": "k", "value": "v"}}),
        lifecycle(expiration={"days": 1}, filter={"prefix": "a/"}),
    ),
    Case(
        "lifecycle-order",
        s.LIFECYCLE,
        lifecycle(transitions=[{"days": 29, "storageClass": "STANDARD_IA"}]),
        lifecycle(transitions=[{"days": 30, "storageClass": "STANDARD_IA"}]),
    ),
    Case(
        "lifecycle-order",
        s.LIFECYCLE,
        lifecycle(transitions=[{"days": 30, "storageClass": "GLACIER"}], expiration={"days": 30}),
        lifecycle(transitions=[{"days": 30, "storageClass": "GLACIER"}], expiration={"days": 31}),
    ),
    Case(
        "bucket-encryption",
        s.ENCRYPTION,
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256", "kmsMasterKeyId": UNKNOWN}}]},
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": UNKNOWN}}]},
    ),
    Case(
        "object-lock",
        s.LOCK,
        {"rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 1, "years": 1}}},
        {"rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 1}}},
    ),
    Case(
        "versioning-of-a-locked-bucket",
        s.VERSIONING,
        {"versioningConfiguration": {"status": "Suspended"}},
        {"versioningConfiguration": {"status": "Enabled"}},
        [*BUCKET, Resource(s.LOCK, "lock", {}, OF_BUCKET)],
        OF_BUCKET,
    ),
    Case(
        "object-lock-needs-versions",
        s.LOCK,
        {},
        {},
        BUCKET,
        OF_BUCKET,
        [*BUCKET, Resource(s.VERSIONING, "versions", {"versioningConfiguration": {"status": "Enabled"}}, OF_BUCKET)],
    ),
    Case(
        "acl-of-an-enforced-bucket",
        s.ACL,
        {"acl": "public-read"},
        {"acl": "public-read"},
        BUCKET,
        OF_BUCKET,
        [*BUCKET, Resource(s.OWNERSHIP, "own", {"rule": {"objectOwnership": "ObjectWriter"}}, OF_BUCKET)],
    ),
    Case(
        "object-content", s.OBJECT, {"key": "k", "content": "a", "contentBase64": "YQ=="}, {"key": "k", "content": "a"}
    ),
]

METRIC = {"metricName": "m", "namespace": "n", "statistic": "Sum", "period": 60}
WATCHING = [
    Case("alarm-metric", w.ALARM, {**METRIC, "metricQueries": [{"id": "a"}]}, METRIC),
    Case("alarm-metric", w.ALARM, {**METRIC, "extendedStatistic": "p99"}, METRIC),
    Case("alarm-periods", w.ALARM, {**METRIC, "period": 45}, {**METRIC, "period": 30}),
    Case(
        "alarm-periods",
        w.ALARM,
        {**METRIC, "period": 300, "evaluationPeriods": 289},
        {**METRIC, "period": 300, "evaluationPeriods": 288},
    ),
    Case(
        "alarm-points",
        w.ALARM,
        {"datapointsToAlarm": 3, "evaluationPeriods": 2},
        {"datapointsToAlarm": 2, "evaluationPeriods": 2},
    ),
    Case(
        "alarm-threshold",
        w.ALARM,
        {"comparisonOperator": "GreaterThanUpperThreshold", "threshold": 1},
        {"comparisonOperator": "GreaterThanThreshold", "threshold": 0},
    ),
    Case(
        "alarm-queries",
        w.ALARM,
        {"metricQueries": [{"id": "E", "expression": "1", "returnData": True}]},
        {"metricQueries": [{"id": "e", "expression": "1", "returnData": True}]},
    ),
    Case("alarm-actions", w.ALARM, {"alarmActions": ["ops@example.com"]}, {"alarmActions": [UNKNOWN]}),
    Case("alarm-statistic", w.ALARM, {"extendedStatistic": "p101"}, {"extendedStatistic": "p99.9"}),
    Case("log-group-name", w.LOGS, {"name": "aws/lambda"}, {"name": "/aws/lambda"}),
    Case("dashboard-body", w.DASHBOARD, {"dashboardBody": "{"}, {"dashboardBody": '{"widgets": []}'}),
    Case(
        "dashboard-body",
        w.DASHBOARD,
        {"dashboardBody": text({"widgets": [{"x": 20, "width": 5}]})},
        {"dashboardBody": text({"widgets": [{"x": 20, "width": 4}]})},
    ),
    Case(
        "budgets",
        w.BUDGET,
        {"limitAmount": "10", "notifications": [{"threshold": 80}]},
        {"limitAmount": "10", "notifications": [{"threshold": 80, "subscriberEmailAddresses": ["a@example.com"]}]},
    ),
]

EVERYBODY = {"Principal": "*", "Resource": "*"}
IDENTITY = [
    Case("tags", i.ROLE, {"tags": {"aws:owner": "me"}}, {"tags": {"owner": "me"}}),
    Case("tags", v.VPC, {"tags": {str(n): "" for n in range(51)}}, {"tags": {str(n): "" for n in range(50)}}),
    Case("tags", a.GROUP, {"tags": [{"key": "k" * 129, "value": ""}]}, {"tags": [{"key": "k" * 128, "value": ""}]}),
    Case("resource-policies", m.QUEUE, {"policy": statement(Resource="*")}, {"policy": statement(**EVERYBODY)}),
    Case("resource-policies", i.KEY, {"policy": "{"}, {"policy": UNKNOWN}),
    Case("identity-policies", i.ROLE_POLICY, {"policy": statement(**EVERYBODY)}, {"policy": statement(Resource="*")}),
    Case(
        "identity-policies",
        i.POLICY,
        {"policy": statement(Resource="*", Action="GetObject")},
        {"policy": statement(Resource="*")},
    ),
    Case(
        "trust-policies",
        i.ROLE,
        {"assumeRolePolicy": statement(**EVERYBODY, Action="sts:AssumeRole")},
        {"assumeRolePolicy": statement(Principal={"Service": "ec2.amazonaws.com"}, Action="sts:AssumeRole")},
    ),
    Case(
        "policy-sizes",
        i.POLICY,
        {"policy": statement(Resource="a" * 6144)},
        {"policy": statement(Resource="a" * 6000)},
    ),
    Case("iam-names", i.ROLE, {"name": "r" * 65}, {"name": "r" * 64}),
    Case("iam-names", i.POLICY, {"path": "/ops"}, {"path": "/ops/"}),
    Case(
        "key-rotation",
        i.KEY,
        {"enableKeyRotation": True, "customerMasterKeySpec": "RSA_2048"},
        {"enableKeyRotation": True, "customerMasterKeySpec": "SYMMETRIC_DEFAULT"},
    ),
    Case("key-alias", i.ALIAS, {"name": "alias/aws/ours"}, {"name": "alias/ours"}),
    Case("parameter-name", i.PARAMETER, {"name": "/aws/ours"}, {"name": "/ours/aws"}),
    Case("parameter-name", i.PARAMETER, {"name": "a/b"}, {"name": "/a/b"}),
    Case("parameter-value", i.PARAMETER, {"value": "x" * 4097}, {"value": "x" * 4096}),
    Case(
        "parameter-value",
        i.PARAMETER,
        {"type": "String", "keyId": UNKNOWN},
        {"type": "SecureString", "keyId": UNKNOWN},
    ),
    Case(
        "functions",
        i.FUNCTION,
        {"handler": "h.h", "code": UNKNOWN},
        {"handler": "h.h", "code": UNKNOWN, "runtime": "python3.13"},
    ),
]

API_MODEL = [
    Case("api-model", i.FUNCTION, {"name": "f" * 141}, {"name": "f" * 140}),
    Case("api-model", w.ALARM, {"name": "a" * 256}, {"name": "a" * 255}),
    Case("api-model", i.ROLE, {"name": "r" * 65}, {"name": "r" * 64}),
    Case("api-model", a.GROUP, {"name": "g" * 256}, {"name": "g" * 255}),
    Case(
        "api-model",
        e.TEMPLATE,
        {"metadataOptions": {"httpTokens": "always"}},
        {"metadataOptions": {"httpTokens": "required"}},
    ),
    Case("api-model", w.ALARM, {"comparisonOperator": "Above"}, {"comparisonOperator": "GreaterThanThreshold"}),
    Case("api-model", i.KEY, {"description": "x" * 8193}, {"description": "x" * 8192}),
    Case("api-model", i.FUNCTION, {"functionName": "f", "memorySize": 127}, {"functionName": "f", "memorySize": 128}),
    Case("api-model", a.GROUP, {"warmPool": {"poolState": "Asleep"}}, {"warmPool": {"poolState": "Stopped"}}),
    Case(
        "api-model",
        e.TEMPLATE,
        {"instanceRequirements": {"memoryMib": {"min": 1024}}},
        {"instanceRequirements": {"memoryMib": {"min": 1024}, "vcpuCount": {"min": 2}}},
    ),
]


def secure(id_: str, type_: str, wrong: Props, right: Props, **more: Any) -> Case:
    return Case(id_, type_, wrong, right, **more, group="security")


FROM = {"ipProtocol": "tcp", "cidrIpv4": "0.0.0.0/0"}
TOKENS = {"metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1}}
FRONT = [Resource(b.BALANCER, "front", {"internal": False})]
TLS_ONLY = statement(Effect="Deny", Condition={"Bool": {"aws:SecureTransport": "false"}}, **EVERYBODY)
SECURITY = [
    secure("open-ports", v.INGRESS, {**FROM, "fromPort": 22, "toPort": 22}, {**FROM, "fromPort": 443, "toPort": 443}),
    secure("open-ports", v.INGRESS, {**FROM, "ipProtocol": "-1"}, {"ipProtocol": "-1", "cidrIpv4": "10.0.0.0/8"}),
    secure("metadata-tokens", e.TEMPLATE, {"imageId": "ami-1"}, TOKENS),
    secure(
        "no-public-address",
        e.TEMPLATE,
        {"networkInterfaces": [{"associatePublicIpAddress": "true"}]},
        {"networkInterfaces": [{"associatePublicIpAddress": "false"}]},
    ),
    secure("encrypted-disks", e.TEMPLATE, disk(), disk(encrypted="true")),
    secure("encrypted-queues", m.QUEUE, {"sqsManagedSseEnabled": False}, {"sqsManagedSseEnabled": True}),
    secure("public-access", x.PRIVATE, dict.fromkeys(x.BLOCKS[:3], True), dict.fromkeys(x.BLOCKS, True)),
    secure(
        "private-buckets",
        s.BUCKET,
        {},
        {},
        right_others=[Resource(x.PRIVATE, "private", {}, {"bucket": ["subject"]})],
    ),
    secure(
        "buckets-by-tls",
        s.BUCKET,
        {},
        {},
        others=[Resource(x.BUCKET_POLICY, "policy", {"policy": statement(**EVERYBODY)}, {"bucket": ["subject"]})],
        right_others=[Resource(x.BUCKET_POLICY, "policy", {"policy": TLS_ONLY}, {"bucket": ["subject"]})],
    ),
    secure(
        "not-for-everybody",
        m.QUEUE,
        {"policy": statement(**EVERYBODY)},
        {"policy": statement(Condition={"ArnEquals": {"aws:SourceArn": "arn:a"}}, **EVERYBODY)},
    ),
    secure(
        "not-everything",
        i.ROLE_POLICY,
        {"policy": statement(Action=["s3:*"], Resource="*")},
        {"policy": statement(Action=["s3:*"], Resource="arn:aws:s3:::models/*")},
    ),
    secure("invalid-headers", b.BALANCER, {"internal": True}, {"dropInvalidHeaderFields": True}),
    secure(
        "public-http",
        b.LISTENER,
        {"protocol": "HTTP", "defaultActions": [{"type": "forward"}]},
        {"protocol": "HTTP", "defaultActions": [{"type": "redirect"}]},
        others=FRONT,
        refers_to={"loadBalancerArn": ["front"]},
    ),
    secure("rotated-keys", i.KEY, {"enableKeyRotation": False}, {"enableKeyRotation": True}),
    secure("logs-that-end", w.LOGS, {"retentionInDays": 0}, {"retentionInDays": 1}),
]


def limited(most: int, *types: str) -> Props:
    return {**mixed(*types), "maxSize": most, "tags": [{"key": "warmfleet:max-hourly-usd", "value": "10"}]}


COST = [  # g6.xlarge: $0.8048 an hour
    Case("max-hourly-usd", a.GROUP, limited(13, "g6.xlarge"), limited(12, "g6.xlarge"), group="cost"),
    Case("unknown-price", a.GROUP, limited(1, "zz9.large"), limited(1, "g6.xlarge"), group="cost"),
]

CASES = [*COST, *SECURITY, *AUTO_SCALING, *EC2, *BALANCERS, *MESSAGES, *STORAGE, *WATCHING, *IDENTITY, *API_MODEL]
