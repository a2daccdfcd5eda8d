"""The program as a whole: outputs, component tree, tags, entry point."""

import runpy

import pytest

from inference_service import contract
from tests.stacks.program import ROOT, Built
from tests.stacks.reading import variables


def constants(prefix: str) -> set[str]:
    return {value for name, value in vars(contract).items() if name.startswith(prefix)}


def test_the_outputs_are_those_of_the_contract(local: Built) -> None:
    assert set(local.outputs) == constants("OUTPUT_")
    for fleet in local.outputs[contract.OUTPUT_FLEETS].values():
        assert set(fleet) == constants("FLEET_")
    groups = {each["AutoScalingGroupName"] for each in local.groups().values()}
    fleet = local.outputs[contract.OUTPUT_FLEETS]["smollm2-135m-instruct"]
    named = {local.outputs[contract.OUTPUT_GATEWAY_GROUP], fleet["spotGroup"], fleet["onDemandGroup"]}
    assert named == groups


def test_the_gateways_url_is_the_load_balancers_listener(local: Built) -> None:
    elb = local.aws.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    (listener,) = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    url = f"http://{balancer['DNSName']}:{listener['Port']}"
    assert local.outputs[contract.OUTPUT_GATEWAY_URL] == url
    (targets,) = elb.describe_target_groups()["TargetGroups"]
    assert targets["HealthCheckPath"] == contract.PATH_HEALTH  # not readiness: without a warm node it serves too
    assert local.groups()["gateway"]["TargetGroupARNs"] == [targets["TargetGroupArn"]]


def test_the_load_balancer_waits_longer_than_a_request_and_less_long_than_the_gateway(local: Built) -> None:
    """Else it would cut a request that waits for a node, or use a connection that the gateway is closing."""
    given = variables(local, "gateway-template")
    idle = local.of("LoadBalancer")["gateway"].inputs["idleTimeout"]
    longest, kept = (
        float(given[name]) for name in (contract.VAR_LONGEST_WAIT_SECONDS, contract.VAR_IDLE_CONNECTION_SECONDS)
    )
    assert longest < idle < kept
    assert idle <= 4000  # the most that an Application Load Balancer takes


def test_components_own_their_resources_and_say_what_they_are(local: Built) -> None:
    components = {each.token for each in local.declared if each.token.startswith("warmfleet:")}
    assert components == {
        f"warmfleet:{module}:{name}"
        for module, name in {
            ("network", "Network"),
            ("egress", "Egress"),
            ("flow_logs", "FlowLogs"),
            ("log_group", "LogGroup"),
            ("private_bucket", "PrivateBucket"),
            ("log_bucket", "LogBucket"),
            ("model_bucket", "ModelBucket"),
            ("promoter_role", "PromoterRole"),
            ("service_bundle", "ServiceBundle"),
            ("secret_parameter", "SecretParameter"),
            ("work_queue", "WorkQueue"),
            ("node_role", "NodeRole"),
            ("gateway_role", "GatewayRole"),
            ("gpu_fleet", "GpuFleet"),
            ("gateway_tier", "GatewayTier"),
            ("gateway_balancer", "GatewayBalancer"),
            ("interruptions", "Interruptions"),
            ("alarm_topic", "AlarmTopic"),
            ("observability", "Observability"),
            ("planner", "Planner"),
            ("safety_net", "SafetyNet"),
        }
    }
    for each in local.declared:
        if each.token.startswith("aws:"):
            assert "warmfleet:" in each.parent, each.name


def test_everything_that_takes_tags_carries_the_environment(local: Built) -> None:
    (vpc,) = local.aws.client("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"]
    assert {"Key": contract.TAG_ENVIRONMENT, "Value": "local"} in vpc["Tags"]
    tags = local.aws.client("s3").get_bucket_tagging(Bucket=local.outputs[contract.OUTPUT_BUCKET])["TagSet"]
    assert {"Key": contract.TAG_ENVIRONMENT, "Value": "local"} in tags


def test_the_entry_point_only_reads_builds_and_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    exported: dict[str, object] = {}
    monkeypatch.setattr("infra.configuration.read", lambda: "settings")
    monkeypatch.setattr("infra.stack.build", lambda given: {"region": given})
    monkeypatch.setattr("pulumi.export", exported.__setitem__)
    runpy.run_path(str(ROOT / "infra" / "__main__.py"))
    assert exported == {"region": "settings"}
    assert len((ROOT / "infra" / "__main__.py").read_text().splitlines()) < 20
