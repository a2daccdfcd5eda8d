"""What exists in an AWS account beyond what is there on its first day, by kind; asked over the API."""

from typing import Any

from localcloud.aws.in_process import LocalAws


def left_in(aws: LocalAws) -> dict[str, list[str]]:
    """Names or ids by kind, without the kinds that there is nothing of. Keys that wait for their end count as gone."""
    found = {
        **_network(aws.client("ec2")),
        **_balancing(aws.client("elbv2")),
        **_messages(aws),
        **_watching(aws),
        "bucket": [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]],
        "group": _names(
            aws.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"], "AutoScalingGroupName"
        ),
        "role": _names(aws.client("iam").list_roles()["Roles"], "RoleName"),
        "profile": _names(aws.client("iam").list_instance_profiles()["InstanceProfiles"], "InstanceProfileName"),
        "key": _keys(aws.client("kms")),
        "function": _names(aws.client("lambda").list_functions()["Functions"], "FunctionName"),
        "scaling policy": _names(aws.client("autoscaling").describe_policies()["ScalingPolicies"], "PolicyName"),
        "parameter": _names(aws.client("ssm").describe_parameters()["Parameters"], "Name"),
    }
    return {kind: names for kind, names in found.items() if names}


def _network(ec2: Any) -> dict[str, list[str]]:
    own = {each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"] if not each["IsDefault"]}
    alive = {"pending", "running", "shutting-down", "stopping", "stopped"}
    instances = [each for group in ec2.describe_instances()["Reservations"] for each in group["Instances"]]
    endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    gateways = ec2.describe_nat_gateways()["NatGateways"]
    return {
        "vpc": sorted(own),
        "subnet": [each["SubnetId"] for each in ec2.describe_subnets()["Subnets"] if each["VpcId"] in own],
        "instance": [each["InstanceId"] for each in instances if each["State"]["Name"] in alive],
        "nat gateway": [each["NatGatewayId"] for each in gateways if each["State"] != "deleted"],
        "address": _names(ec2.describe_addresses()["Addresses"], "AllocationId"),
        "endpoint": [each["VpcEndpointId"] for each in endpoints if each["State"].lower() != "deleted"],
        "flow log": _names(ec2.describe_flow_logs()["FlowLogs"], "FlowLogId"),
        "launch template": _names(ec2.describe_launch_templates()["LaunchTemplates"], "LaunchTemplateName"),
    }


def _balancing(elb: Any) -> dict[str, list[str]]:
    return {
        "balancer": _names(elb.describe_load_balancers()["LoadBalancers"], "LoadBalancerName"),
        "target group": _names(elb.describe_target_groups()["TargetGroups"], "TargetGroupName"),
    }


def _messages(aws: LocalAws) -> dict[str, list[str]]:
    account = aws.client("sts").get_caller_identity()["Account"]
    return {
        "queue": aws.client("sqs").list_queues().get("QueueUrls", []),
        "topic": _names(aws.client("sns").list_topics()["Topics"], "TopicArn"),
        "rule": _names(aws.client("events").list_rules()["Rules"], "Name"),
        "budget": _names(aws.client("budgets").describe_budgets(AccountId=account).get("Budgets", []), "BudgetName"),
    }


def _watching(aws: LocalAws) -> dict[str, list[str]]:
    cloudwatch = aws.client("cloudwatch")
    return {
        "alarm": _names(cloudwatch.describe_alarms()["MetricAlarms"], "AlarmName"),
        "dashboard": _names(cloudwatch.list_dashboards().get("DashboardEntries", []), "DashboardName"),
        "log group": _names(aws.client("logs").describe_log_groups()["logGroups"], "logGroupName"),
    }


def _keys(kms: Any) -> list[str]:
    ids = _names(kms.list_keys()["Keys"], "KeyId")
    described = [kms.describe_key(KeyId=each)["KeyMetadata"] for each in ids]
    return [
        each["KeyId"] for each in described if each["KeyState"] != "PendingDeletion" and each["KeyManager"] != "AWS"
    ]


def _names(found: list[dict[str, Any]], key: str) -> list[str]:
    return [str(each[key]) for each in found]
