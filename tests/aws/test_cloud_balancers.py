"""Load balancers: their addresses, the targets that groups register, and the health that is reported."""

from typing import Any

from localcloud.admin import read_balancing
from localcloud.aws.in_process import LocalAws

HOOK = {"LifecycleHookName": "boot", "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING"}


class Web:
    """A load balancer with a listener on port 80 that forwards to a target group on port 8080."""

    def __init__(self, fleet: Any, name: str = "web") -> None:
        self.elb = fleet.elb
        self.targets = self.elb.create_target_group(
            Name=name, Protocol="HTTP", Port=8080, VpcId=fleet.vpc, TargetType="instance"
        )["TargetGroups"][0]["TargetGroupArn"]
        made = self.elb.create_load_balancer(Name=name, Subnets=fleet.subnets)["LoadBalancers"][0]
        self.arn, self.address = made["LoadBalancerArn"], made["DNSName"]

    def listen(self) -> str:
        forward = [{"Type": "forward", "TargetGroupArn": self.targets}]
        made = self.elb.create_listener(LoadBalancerArn=self.arn, Protocol="HTTP", Port=80, DefaultActions=forward)
        return str(made["Listeners"][0]["ListenerArn"])

    def health(self) -> dict[str, tuple[str, str | None]]:
        found = self.elb.describe_target_health(TargetGroupArn=self.targets)["TargetHealthDescriptions"]
        return {
            each["Target"]["Id"]: (each["TargetHealth"]["State"], each["TargetHealth"].get("Reason")) for each in found
        }


def kinds(fleet: Any, after: int) -> set[str]:
    return {each["type"] for each in fleet.call(f"events?after={after}")[1]["events"]}


def last_event(fleet: Any) -> int:
    return max((each["seq"] for each in fleet.call("events?after=0")[1]["events"]), default=0)


def test_load_balancers_have_addresses_of_this_cloud(fleet: Any):
    assert [Web(fleet, name).address for name in ("a", "b")] == ["127.9.255.1", "127.9.255.2"]


def test_a_name_is_given_to_one_load_balancer(fleet: Any):
    Web(fleet)
    code, _ = fleet.refusal(fleet.elb.create_load_balancer, Name="web", Subnets=fleet.subnets)
    assert code == "DuplicateLoadBalancerName"


def test_a_protected_load_balancer_is_not_deleted(fleet: Any):
    web = Web(fleet)
    protection = {"Key": "deletion_protection.enabled", "Value": "true"}
    fleet.elb.modify_load_balancer_attributes(LoadBalancerArn=web.arn, Attributes=[protection])
    assert fleet.refusal(fleet.elb.delete_load_balancer, LoadBalancerArn=web.arn)[0] == "OperationNotPermitted"
    fleet.elb.modify_load_balancer_attributes(LoadBalancerArn=web.arn, Attributes=[{**protection, "Value": "false"}])
    fleet.elb.delete_load_balancer(LoadBalancerArn=web.arn)
    assert fleet.elb.describe_load_balancers()["LoadBalancers"] == []


def test_an_instance_is_a_target_while_it_is_in_service(aws: LocalAws, fleet: Any):
    web = Web(fleet)
    web.listen()
    drain = {"LifecycleHookName": "drain", "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING"}
    fleet.group(DesiredCapacity=1, TargetGroupARNs=[web.targets], LifecycleHookSpecificationList=[HOOK, drain])
    aws.tick(2)
    (instance_id,) = fleet.states()
    assert web.health() == {}
    fleet.complete("boot", instance_id)
    assert web.health() == {instance_id: ("initial", "Elb.RegistrationInProgress")}
    fleet.asg.set_desired_capacity(AutoScalingGroupName="g", DesiredCapacity=0)
    aws.tick()
    assert fleet.states() == {instance_id: "Terminating:Wait"}
    assert web.health() == {}


def test_target_groups_can_be_attached_and_detached_later(aws: LocalAws, fleet: Any):
    web = Web(fleet)
    fleet.group(DesiredCapacity=1)
    aws.tick(2)
    given = {"AutoScalingGroupName": "g", "TargetGroupARNs": [web.targets]}
    fleet.asg.attach_load_balancer_target_groups(**given)
    assert list(web.health()) == list(fleet.states())
    fleet.asg.detach_load_balancer_target_groups(**given)
    assert web.health() == {}


def test_health_is_what_was_reported(aws: LocalAws, fleet: Any):
    web = Web(fleet)
    fleet.group(DesiredCapacity=1, TargetGroupARNs=[web.targets])
    aws.tick(2)
    (instance_id,) = fleet.states()
    assert web.health() == {instance_id: ("unused", "Target.NotInUse")}
    web.listen()
    for state, reason in (("unhealthy", "Target.Timeout"), ("healthy", "")):
        report = {"target_group_arn": web.targets, "targets": {instance_id: {"state": state, "reason": reason}}}
        assert fleet.call("target-health", report) == (200, {})
        assert web.health() == {instance_id: (state, reason or None)}


def test_a_target_that_comes_back_begins_anew(aws: LocalAws, fleet: Any):
    web = Web(fleet)
    web.listen()
    fleet.group(DesiredCapacity=1, TargetGroupARNs=[web.targets])
    aws.tick(2)
    (instance_id,) = fleet.states()
    report = {"target_group_arn": web.targets, "targets": {instance_id: {"state": "healthy", "reason": ""}}}
    fleet.call("target-health", report)
    target = [{"Id": instance_id}]
    fleet.elb.deregister_targets(TargetGroupArn=web.targets, Targets=target)
    fleet.elb.register_targets(TargetGroupArn=web.targets, Targets=target)
    assert web.health()[instance_id][0] == "initial"


def test_the_daemon_reads_listeners_health_checks_and_targets(aws: LocalAws, fleet: Any):
    web = Web(fleet)
    web.listen()
    idle = {"Key": "idle_timeout.timeout_seconds", "Value": "300"}
    fleet.elb.modify_load_balancer_attributes(LoadBalancerArn=web.arn, Attributes=[idle])
    fleet.elb.modify_target_group(TargetGroupArn=web.targets, HealthCheckPath="/healthz", HealthCheckIntervalSeconds=7)
    fleet.group(DesiredCapacity=1, TargetGroupARNs=[web.targets])
    aws.tick(2)
    balancing = read_balancing(fleet.call("load-balancers")[1])
    (listener,) = balancing.listeners
    assert (listener.address, listener.port, listener.protocol) == (web.address, 80, "HTTP")
    assert (listener.idle_seconds, listener.target_group_arn) == (300, web.targets)
    (group,) = balancing.target_groups
    check = group.health_check
    assert (check.path, check.port, check.interval_seconds, check.timeout_seconds) == ("/healthz", "traffic-port", 7, 5)
    assert (check.healthy_threshold, check.unhealthy_threshold, check.matcher) == (5, 2, "200")
    assert [(each.address, each.port) for each in group.targets] == [("127.9.1.1", 8080)]


def test_every_change_is_announced_and_no_reading(aws: LocalAws, fleet: Any):
    web = Web(fleet)
    steps = [
        lambda: web.listen(),
        lambda: fleet.elb.modify_target_group(TargetGroupArn=web.targets, HealthCheckPath="/x"),
        lambda: fleet.elb.modify_load_balancer_attributes(
            LoadBalancerArn=web.arn, Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "9"}]
        ),
        lambda: fleet.elb.delete_load_balancer(LoadBalancerArn=web.arn),
    ]
    for step in steps:
        before = last_event(fleet)
        step()
        assert "balancers-changed" in kinds(fleet, before)
    before = last_event(fleet)
    web.health()
    fleet.elb.describe_load_balancers()
    assert kinds(fleet, before) == set()
    fleet.group(DesiredCapacity=1, TargetGroupARNs=[web.targets])
    aws.tick(2)
    assert "balancers-changed" in kinds(fleet, before)


def test_classic_load_balancers_still_answer(aws: LocalAws):
    assert aws.client("elb").describe_load_balancers()["LoadBalancerDescriptions"] == []
