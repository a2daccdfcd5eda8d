"""The stack of Pulumi.prod.yaml: own keys, TLS, three zones, queues, and what watches it all."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference_service import contract
from infra.components.interruptions import EVENTS
from localcloud.aws.cloud import ACCOUNT
from localcloud.aws.in_process import local_aws
from tests.stacks.program import ROOT, Built, run, stack_settings

MODEL = "qwen2-5-7b-instruct"
NETS = ("net-waiting-work", "net-missing-spot")  # while the planner is dead


@pytest.fixture(scope="module")
def prod(bundle: Path) -> Iterator[Built]:
    with local_aws("127.77") as running:
        yield run(running, stack_settings(ROOT / "Pulumi.prod.yaml"), bundle)


def key_arn(prod: Built) -> str:
    kms = prod.aws.client("kms")
    (key,) = (each for each in kms.list_keys()["Keys"] if owned(prod, each["KeyId"]))
    return str(key["KeyArn"])


def owned(prod: Built, key_id: str) -> bool:
    """Not one of those that AWS itself makes."""
    described = prod.aws.client("kms").describe_key(KeyId=key_id)["KeyMetadata"]
    return bool(described["Description"].startswith("Warmfleet"))


def queues(prod: Built) -> dict[str, dict[str, str]]:
    sqs = prod.aws.client("sqs")
    return {
        url.rpartition("/")[2].rpartition("-")[0]: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])[
            "Attributes"
        ]
        for url in sqs.list_queues()["QueueUrls"]
    }


def alarms(prod: Built) -> dict[str, dict[str, Any]]:
    found = prod.aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return {each["AlarmName"].rpartition("-")[0]: each for each in found}


def test_the_key_rotates_and_lets_auto_scaling_launch(prod: Built) -> None:
    """Without that grant no instance with an encrypted disk starts: key-policy-requirements-EBS-encryption.html."""
    kms, arn = prod.aws.client("kms"), key_arn(prod)
    assert kms.get_key_rotation_status(KeyId=arn)["KeyRotationEnabled"]
    statements = json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])["Statement"]
    role = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    granted = {action for each in statements if each["Principal"] == {"AWS": role} for action in each["Action"]}
    assert {"kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:CreateGrant"} <= granted
    (grants,) = (each for each in statements if each["Action"] == ["kms:CreateGrant"])
    assert grants["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    assert not any(each["Principal"] in ("*", {"AWS": "*"}) for each in statements)


def test_everything_that_rests_is_encrypted_with_the_stacks_key(prod: Built) -> None:
    arn = key_arn(prod)
    templates = prod.aws.client("ec2").describe_launch_template_versions(Versions=["$Latest"])
    for each in templates["LaunchTemplateVersions"]:
        for device in each["LaunchTemplateData"]["BlockDeviceMappings"]:
            assert (device["Ebs"]["Encrypted"], device["Ebs"]["KmsKeyId"]) == (True, arn)
    assert {each["KmsMasterKeyId"] for each in queues(prod).values()} == {arn}
    assert {each["kmsKeyId"] for each in prod.aws.client("logs").describe_log_groups()["logGroups"]} == {arn}
    topic = prod.aws.client("sns").get_topic_attributes(TopicArn=prod.outputs[contract.OUTPUT_ALARM_TOPIC])
    assert topic["Attributes"]["KmsMasterKeyId"] == arn
    (rule,) = prod.aws.client("s3").get_bucket_encryption(Bucket=prod.outputs[contract.OUTPUT_BUCKET])[
        "ServerSideEncryptionConfiguration"
    ]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn}


def test_clients_come_by_tls_and_plain_http_is_led_there(prod: Built) -> None:
    elb = prod.aws.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    listeners = {
        each["Port"]: each for each in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    }
    assert sorted(listeners) == [80, 443]
    assert (listeners[443]["Protocol"], listeners[443]["DefaultActions"][0]["Type"]) == ("HTTPS", "forward")
    assert listeners[443]["SslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2")
    (action,) = listeners[80]["DefaultActions"]
    assert action["Type"] == "redirect"
    assert (action["RedirectConfig"]["Protocol"], action["RedirectConfig"]["Port"]) == ("HTTPS", "443")
    assert balancer["Scheme"] == "internal"
    assert len(balancer["AvailabilityZones"]) == 3


def test_each_zone_has_a_way_out_of_its_own(prod: Built) -> None:
    ec2 = prod.aws.client("ec2")
    ways = {each["SubnetId"]: each["NatGatewayId"] for each in ec2.describe_nat_gateways()["NatGateways"]}
    zones = {each["AvailabilityZone"] for each in ec2.describe_subnets(SubnetIds=[*ways])["Subnets"]}
    assert len(zones) == 3
    routes = [route for table in ec2.describe_route_tables()["RouteTables"] for route in table["Routes"]]
    assert {route["NatGatewayId"] for route in routes if "NatGatewayId" in route} == set(ways.values())


def test_refused_connections_are_logged_and_the_default_group_lets_nothing_through(prod: Built) -> None:
    ec2 = prod.aws.client("ec2")
    (log,) = ec2.describe_flow_logs()["FlowLogs"]
    assert (log["TrafficType"], log["LogDestinationType"]) == ("REJECT", "cloud-watch-logs")
    filters = [{"Name": "vpc-id", "Values": [log["ResourceId"]]}, {"Name": "group-name", "Values": ["default"]}]
    (default,) = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    assert default["IpPermissions"] == []
    assert default["IpPermissionsEgress"] == []


def test_a_job_that_cannot_be_done_moves_to_the_dead_letters_of_its_queue_alone(prod: Built) -> None:
    jobs, dead = queues(prod)[f"{MODEL}-jobs"], queues(prod)[f"{MODEL}-jobs-dead"]
    assert json.loads(jobs["RedrivePolicy"]) == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 25}
    allowed = json.loads(dead["RedriveAllowPolicy"])
    assert allowed == {"redrivePermission": "byQueue", "sourceQueueArns": [jobs["QueueArn"]]}
    assert int(dead["MessageRetentionPeriod"]) > int(jobs["MessageRetentionPeriod"])


def test_no_queue_takes_plain_http(prod: Built) -> None:
    for attributes in queues(prod).values():
        denied = [each for each in json.loads(attributes["Policy"])["Statement"] if each["Effect"] == "Deny"]
        assert [each["Condition"] for each in denied] == [{"Bool": {"aws:SecureTransport": "false"}}]


def test_what_aws_announces_arrives_in_one_queue_that_its_rules_alone_may_fill(prod: Built) -> None:
    events, queue = prod.aws.client("events"), queues(prod)["interruptions"]
    rules = {
        each["Name"].removeprefix("interruptions-").rpartition("-")[0]: each
        for each in events.list_rules()["Rules"]
        if each["Name"].startswith("interruptions-")
    }
    assert {name: json.loads(each["EventPattern"]) for name, each in rules.items()} == EVENTS
    for rule in rules.values():
        (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        assert target["Arn"] == queue["QueueArn"]
    (allowed,) = (each for each in json.loads(queue["Policy"])["Statement"] if each["Effect"] == "Allow")
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": sorted(each["Arn"] for each in rules.values())}}


def test_every_alarm_tells_the_topic_when_it_fires_and_when_it_is_over(prod: Built) -> None:
    found = alarms(prod)
    ours = ["no-ready-node", "warm-up-over-budget", "spot-below-desired", "dead-letters"]
    ours += ["spot-launching-suspended", "on-demand-launching-suspended"]
    ours += ["planner-silent", "planner-refuses", *NETS]
    assert set(found) == {f"{MODEL}-{each}" for each in ours} | {
        "interruption-storm",
        "launches-failing",
        "no-healthy-gateway",
    }
    topic = prod.outputs[contract.OUTPUT_ALARM_TOPIC]
    assert all(topic in each["AlarmActions"] and each["OKActions"] == [topic] for each in found.values())
    assert {name for name, each in found.items() if len(each["AlarmActions"]) > 1} == {f"{MODEL}-{net}" for net in NETS}
    assert all(each["AlarmDescription"] for each in found.values())


def test_alarms_look_at_parts_that_exist(prod: Built) -> None:
    """A dimension with a wrong name is no error in CloudWatch: the alarm just never fires."""
    balancer = prod.aws.client("elbv2").describe_load_balancers()["LoadBalancers"][0]
    targets = prod.aws.client("elbv2").describe_target_groups()["TargetGroups"][0]
    existing = {
        contract.DIMENSION_GROUP: {
            each["AutoScalingGroupName"]
            for each in prod.aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        },
        contract.DIMENSION_QUEUE: {each["QueueArn"].rpartition(":")[2] for each in queues(prod).values()},
        contract.DIMENSION_RULE: {each["Name"] for each in prod.aws.client("events").list_rules()["Rules"]},
        contract.DIMENSION_BALANCER: {balancer["LoadBalancerArn"].partition("loadbalancer/")[2]},
        contract.DIMENSION_TARGETS: {targets["TargetGroupArn"].rpartition(":")[2]},
        contract.DIMENSION_ENVIRONMENT: {"prod"},
        contract.DIMENSION_MODEL: {MODEL},
    }
    queries = [query for each in alarms(prod).values() for query in each["Metrics"] if "MetricStat" in query]
    for query in queries:
        for dimension in query["MetricStat"]["Metric"]["Dimensions"]:
            assert dimension["Value"] in existing[dimension["Name"]]
    assert {each["Name"] for query in queries for each in query["MetricStat"]["Metric"]["Dimensions"]} == set(existing)


def test_the_groups_publish_the_metrics_that_alarms_and_dashboard_read(prod: Built) -> None:
    for name, group in prod.groups().items():
        if name.startswith(MODEL):
            assert {each["Metric"] for each in group["EnabledMetrics"]} == set(contract.GROUP_METRICS)


def test_every_metric_of_the_dashboard_is_named_in_the_contract(prod: Built) -> None:
    name = prod.outputs[contract.OUTPUT_DASHBOARD]
    body = json.loads(prod.aws.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])
    shown = {(metric[0], metric[1]) for widget in body["widgets"] for metric in widget["properties"]["metrics"]}
    names = {value for key, value in vars(contract).items() if key.startswith("METRIC_")}
    spaces = {value for key, value in vars(contract).items() if key.startswith("NAMESPACE_")}
    assert len(shown) >= 8
    assert {metric for _, metric in shown} <= names | set(contract.GROUP_METRICS)
    assert {space for space, _ in shown} <= spaces


def test_the_budget_warns_of_what_was_spent_and_of_what_will_be(prod: Built) -> None:
    budgets = prod.aws.client("budgets")
    (budget,) = budgets.describe_budgets(AccountId=ACCOUNT)["Budgets"]
    assert float(budget["BudgetLimit"]["Amount"]) == 20000
    found = budgets.describe_notifications_for_budget(AccountId=ACCOUNT, BudgetName=budget["BudgetName"])
    kinds = {(each["NotificationType"], each["Threshold"]) for each in found["Notifications"]}
    assert kinds == {("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)}


def test_api_keys_and_the_nodes_token_are_secure_strings_whose_values_pulumi_never_sees(prod: Built) -> None:
    filters = [{"Key": "Name", "Option": "BeginsWith", "Values": ["api-keys-", "node-token-"]}]
    described = prod.aws.client("ssm").describe_parameters(ParameterFilters=filters)["Parameters"]
    assert [(each["Type"], each["KeyId"]) for each in described] == [("SecureString", key_arn(prod))] * 2
    assert prod.outputs[contract.OUTPUT_API_KEYS_PARAMETER] in {each["Name"] for each in described}
    declared = prod.of("Parameter")
    assert set(declared) == {"api-keys", "node-token"}
    assert not any({"value", "insecureValue"} & set(each.inputs) for each in declared.values())


def test_on_demand_nodes_are_the_base_and_a_template_change_rolls_back_by_itself(prod: Built) -> None:
    declared = prod.of("Group")
    for market in ("spot", "on-demand"):
        refresh = declared[f"{MODEL}-{market}"].inputs["instanceRefresh"]["preferences"]
        assert (refresh["autoRollback"], refresh["minHealthyPercentage"]) == (True, 100)
        group = prod.groups()[f"{MODEL}-{market}"]
        assert group["MaxInstanceLifetime"] == 30 * 24 * 3600
        specification = group["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"]
        assert not specification["Version"].startswith("$")
