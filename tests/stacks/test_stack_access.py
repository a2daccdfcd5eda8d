"""Who may reach what: the bucket, security groups, roles."""

import json

from inference_service import contract
from tests.stacks.program import Built
from tests.stacks.reading import allowed

MODEL = "smollm2-135m-instruct"


def bucket(built: Built) -> str:
    return str(built.outputs[contract.OUTPUT_BUCKET])


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
        ("out", "0.0.0.0/0", 443, 443),
    }


def test_the_load_balancer_hears_clients_on_its_port_and_is_internal(local: Built) -> None:
    assert rules(local, "gateway-balancer") == {
        ("in", "10.0.0.0/8", 8080, 8080),
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
    assert endpoint["RouteTableIds"] == [each["RouteTableId"] for each in tables]


def test_a_node_reads_its_own_model_and_completes_its_own_groups_hooks(local: Built) -> None:
    arn = f"arn:aws:s3:::{bucket(local)}"
    groups = sorted(local.groups()[f"{MODEL}-{market}"]["AutoScalingGroupARN"] for market in ("spot", "on-demand"))
    assert allowed(local, f"{MODEL}-node") == {
        "s3:GetObject": [f"{arn}/models/{MODEL}/*", f"{arn}/pointers/{MODEL}.json", f"{arn}/services/*"],
        "s3:ListBucket": [arn],
        "autoscaling:CompleteLifecycleAction": groups,
        "autoscaling:RecordLifecycleActionHeartbeat": groups,
    }


def test_a_gateway_reads_its_bundle_and_lists_instances_which_aws_cannot_narrow(local: Built) -> None:
    assert allowed(local, "gateway") == {
        "s3:GetObject": [f"arn:aws:s3:::{bucket(local)}/services/*"],
        "ec2:DescribeInstances": ["*"],
    }


def test_only_ec2_takes_on_the_roles(local: Built) -> None:
    for role in local.of("Role").values():
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
    (statement,) = json.loads(local.aws.client("s3").get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", ["s3:*"])
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]


def test_the_bucket_forgets_replaced_versions_and_unfinished_uploads(local: Built) -> None:
    rules = local.aws.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket(local))["Rules"]
    assert all(rule["Status"] == "Enabled" for rule in rules)
    assert any(rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays") == 30 for rule in rules)
    assert any(rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation") == 2 for rule in rules)
