"""Who may reach what: the bucket, security groups, roles."""

import fnmatch
import json
from collections.abc import Sequence

from inference_service import contract
from tests.stacks.program import Built
from tests.stacks.reading import allowed, policies

MODEL = "smollm2-135m-instruct"


def bucket(built: Built) -> str:
    return str(built.outputs[contract.OUTPUT_BUCKET])


QUEUE_ACTIONS = [f"sqs:{each}Message" for each in ("Receive", "Delete")]
QUEUE_ACTIONS += ["sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
LOG_ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")
SESSION_ACTIONS = ["ssm:UpdateInstanceInformation"]
SESSION_ACTIONS += [f"ssmmessages:{verb}{kind}Channel" for verb in ("Create", "Open") for kind in ("Control", "Data")]

MEASURE_ACTIONS = ("cloudwatch:PutMetricData", "ec2:DescribeTags")


def each_of(actions: Sequence[str], resources: list[str]) -> dict[str, list[str]]:
    return dict.fromkeys(actions, resources)


def queue(built: Built, name: str) -> str:
    """The ARN of a queue by its Pulumi name."""
    sqs = built.aws.client("sqs")
    urls = {url.rpartition("/")[2].rpartition("-")[0]: url for url in sqs.list_queues()["QueueUrls"]}
    arn: str = sqs.get_queue_attributes(QueueUrl=urls[name], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return arn


def log_group(built: Built, name: str) -> str:
    groups = built.aws.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    (arn,) = (each["arn"].removesuffix(":*") for each in groups if each["logGroupName"].rpartition("-")[0] == name)
    return str(arn)


def parameter(built: Built, name: str) -> str:
    """The ARN of a parameter by its Pulumi name."""
    ssm = built.aws.client("ssm")
    filters = [{"Key": "Name", "Option": "BeginsWith", "Values": [f"{name}-"]}]
    (found,) = ssm.describe_parameters(ParameterFilters=filters)["Parameters"]
    return str(ssm.get_parameter(Name=found["Name"])["Parameter"]["ARN"])


def rules(built: Built, group: str) -> set[tuple[str, str, int, int]]:
    """(direction, other side, first port, last port) of a security group, by Pulumi names."""
    ec2 = built.aws.client("ec2")
    groups = {
        each["GroupId"]: each["GroupName"].rpartition("-")[0]
        for each in ec2.describe_security_groups()["SecurityGroups"]
    }
    return {
        (
            "out" if each["IsEgress"] else "in",
            each.get("CidrIpv4") or groups[each["ReferencedGroupInfo"]["GroupId"]],
            each["FromPort"],
            each["ToPort"],
        )
        for each in ec2.describe_security_group_rules()["SecurityGroupRules"]
        if groups[each["GroupId"]] == group
    }


def test_a_node_hears_gateways_alone_and_calls_aws_alone(local: Built) -> None:
    assert rules(local, f"{MODEL}-nodes") == {
        ("in", "gateway-gateways", contract.NODE_PORT, contract.NODE_PORT),
        ("out", "0.0.0.0/0", 443, 443),
    }


def test_a_gateway_hears_the_load_balancer_alone(local: Built) -> None:
    assert rules(local, "gateway-gateways") == {
        ("in", "gateway-balancer", 8080, 8080),
        ("out", f"{MODEL}-nodes", contract.NODE_PORT, contract.NODE_PORT),
        ("out", "gateway-balancer", 8080, 8080),  # a person's session that is forwarded there
        ("out", "0.0.0.0/0", 443, 443),
    }


def test_the_load_balancer_hears_clients_on_its_port_and_is_internal(local: Built) -> None:
    assert rules(local, "gateway-balancer") == {
        ("in", "10.0.0.0/8", 8080, 8080),
        ("in", "gateway-gateways", 8080, 8080),
        ("out", "gateway-gateways", 8080, 8080),
    }
    (balancer,) = local.aws.client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert balancer["Scheme"] == "internal"


def test_instances_live_in_private_subnets_of_two_zones(local: Built) -> None:
    ec2 = local.aws.client("ec2")
    for group in local.groups().values():
        ids = group["VPCZoneIdentifier"].split(",")
        subnets = ec2.describe_subnets(SubnetIds=ids)["Subnets"]
        assert len({each["AvailabilityZone"] for each in subnets}) == 2
        assert not any(each["MapPublicIpOnLaunch"] for each in subnets)
        filters = [{"Name": "association.subnet-id", "Values": ids}]
        for table in ec2.describe_route_tables(Filters=filters)["RouteTables"]:
            assert not any(route.get("GatewayId", "").startswith("igw-") for route in table["Routes"])


def test_model_bytes_take_the_free_way_to_s3(local: Built) -> None:
    (endpoint,) = local.aws.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    assert (endpoint["VpcEndpointType"], endpoint["ServiceName"]) == ("Gateway", "com.amazonaws.us-east-1.s3")
    private = local.groups()[f"{MODEL}-spot"]["VPCZoneIdentifier"].split(",")
    filters = [{"Name": "association.subnet-id", "Values": private}]
    tables = local.aws.client("ec2").describe_route_tables(Filters=filters)["RouteTables"]
    assert set(endpoint["RouteTableIds"]) == {each["RouteTableId"] for each in tables}


def test_a_node_reads_its_own_model_and_completes_its_own_groups_hooks(local: Built) -> None:
    arn = f"arn:aws:s3:::{bucket(local)}"
    mine = [local.groups()[f"{MODEL}-{market}"] for market in ("spot", "on-demand")]
    groups = sorted(each["AutoScalingGroupARN"] for each in mine)
    counts = sorted(f"{arn}/replacements/{each['AutoScalingGroupName']}.json" for each in mine)
    assert allowed(local, f"{MODEL}-node") == {
        "s3:GetObject": [
            f"{arn}/pointers/{MODEL}.json",
            f"{arn}/models/{MODEL}/*",
            f"{arn}/caches/{MODEL}/*",
            f"{arn}/services/*",
            f"{arn}/jobs/*",
            *counts,
        ],
        "s3:PutObject": [f"{arn}/offers/{MODEL}/*", f"{arn}/jobs/*", *counts],
        "s3:ListBucket": [arn],
        "ssm:GetParameter": [parameter(local, "node-token")],
        **each_of(QUEUE_ACTIONS, [queue(local, f"{MODEL}-jobs")]),
        "sqs:SendMessage": [queue(local, f"{MODEL}-jobs-dead")],
        **each_of(LOG_ACTIONS, [f"{log_group(local, f'{MODEL}-node')}:log-stream:*"]),
        **each_of(SESSION_ACTIONS, ["*"]),
        **each_of(MEASURE_ACTIONS, ["*"]),
        "autoscaling:CompleteLifecycleAction": groups,
        "autoscaling:RecordLifecycleActionHeartbeat": groups,
        "autoscaling:SetInstanceHealth": groups,
        "autoscaling:DescribeAutoScalingGroups": ["*"],
    }


def test_a_gateway_reads_its_bundle_and_lists_instances_which_aws_cannot_narrow(local: Built) -> None:
    assert allowed(local, "gateway") == {
        "s3:GetObject": [f"arn:aws:s3:::{bucket(local)}/{each}/*" for each in ("services", "idempotency")],
        "s3:PutObject": [f"arn:aws:s3:::{bucket(local)}/{each}/*" for each in ("idempotency", "loads")],
        "ec2:DescribeInstances": ["*"],
        "ssm:GetParameter": [parameter(local, "api-keys"), parameter(local, "node-token")],
        "ssm:PutParameter": [parameter(local, "node-token")],
        **each_of(LOG_ACTIONS, [f"{log_group(local, 'gateway')}:log-stream:*"]),
        **each_of(SESSION_ACTIONS, ["*"]),
        **each_of(MEASURE_ACTIONS, ["*"]),
        "cloudwatch:PutMetricData": ["*", "*"],
    }


def test_metrics_go_into_their_own_namespaces_alone(local: Built) -> None:
    hosts, gateways = contract.NAMESPACE_HOSTS, contract.NAMESPACE_WARMFLEET
    for name, namespaces in ((f"{MODEL}-node", [hosts]), ("gateway", sorted([hosts, gateways]))):
        found = [each for each in policies(local, name) if "cloudwatch:PutMetricData" in each["Action"]]
        assert sorted(each["Condition"]["StringEquals"]["cloudwatch:namespace"] for each in found) == namespaces


def test_only_ec2_takes_on_the_roles(local: Built) -> None:
    for name in (f"{MODEL}-node", "gateway"):
        role = local.of("Role")[name]
        (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        assert statement["Principal"] == {"Service": "ec2.amazonaws.com"}
        assert statement["Action"] == ["sts:AssumeRole"]


def test_the_bucket_is_versioned_encrypted_private_and_owned(local: Built) -> None:
    s3, name = local.aws.client("s3"), bucket(local)
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    (rule,) = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert set(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values()) == {True}
    (owner,) = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]["Rules"]
    assert owner["ObjectOwnership"] == "BucketOwnerEnforced"


def test_the_bucket_refuses_plain_http_from_everybody(local: Built) -> None:
    name = bucket(local)
    statement, pointers = json.loads(local.aws.client("s3").get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", ["s3:*"])
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    assert pointers["Effect"] == "Deny"


def test_the_promoter_alone_writes_pointers_and_compiled_code_and_writes_nothing_else(local: Built) -> None:
    name, promoter = bucket(local), local.outputs[contract.OUTPUT_PROMOTER_ROLE]
    _, pointers = json.loads(local.aws.client("s3").get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert (pointers["Effect"], pointers["Principal"]) == ("Deny", "*")
    assert {"s3:PutObject", "s3:DeleteObject"} <= set(pointers["Action"])
    assert pointers["Resource"] == [f"arn:aws:s3:::{name}/pointers/*", f"arn:aws:s3:::{name}/caches/*"]
    pattern = pointers["Condition"]["ArnNotLike"]["aws:PrincipalArn"]
    assert pattern == "arn:aws:iam::123456789012:role/warmfleet/local/promoter-*"
    assert fnmatch.fnmatchcase(promoter, pattern)
    written = allowed(local, "promoter")["s3:PutObject"]
    assert written == [f"arn:aws:s3:::{name}/pointers/*", f"arn:aws:s3:::{name}/caches/*"]


def test_the_bucket_forgets_replaced_versions_and_unfinished_uploads(local: Built) -> None:
    rules = local.aws.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket(local))["Rules"]
    assert all(rule["Status"] == "Enabled" for rule in rules)
    assert any(rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays") == 30 for rule in rules)
    passing = {each["Filter"]["Prefix"]: each["Expiration"]["Days"] for each in rules if each.get("Expiration")}
    assert passing == {"idempotency/": 1, "jobs/": 7, "loads/": 1, "offers/": 7}
    for each in rules:
        if each.get("Expiration"):
            assert each["NoncurrentVersionExpiration"]["NoncurrentDays"] == 1
    assert any(rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation") == 2 for rule in rules)
