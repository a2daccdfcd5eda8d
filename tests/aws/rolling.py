"""A group whose instances are to be replaced by those of a newer version of its launch template."""

from collections.abc import Mapping
from typing import Any

from localcloud.aws.in_process import LocalAws

BOOT = {
    "LifecycleHookName": "boot",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
    "HeartbeatTimeout": 600,
}
DRAIN = {
    "LifecycleHookName": "drain",
    "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
    "HeartbeatTimeout": 300,
    "DefaultResult": "CONTINUE",
}
LAUNCH_FIRST = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 110, "InstanceWarmup": 30}


class Rolling:
    """Group g of instances from version 1 of its template, all in service; version 2 is there too."""

    def __init__(self, aws: LocalAws, fleet: Any, instances: int, **settings: Any) -> None:
        self.aws, self.fleet, self.asg = aws, fleet, fleet.asg
        self.template = fleet.template()
        fleet.group(DesiredCapacity=instances, LaunchTemplate=self.version("1"), **settings)
        self.settle()
        self.old = set(fleet.states())
        self.publish()

    def version(self, number: str) -> dict[str, str]:
        return {"LaunchTemplateId": self.template, "Version": number}

    def publish(self) -> None:
        data = {"ImageId": "ami-2", "InstanceType": "t3.small"}
        self.fleet.ec2.create_launch_template_version(LaunchTemplateId=self.template, LaunchTemplateData=data)

    def start(self, preferences: Mapping[str, Any] = LAUNCH_FIRST, desired: str = "", **more: Any) -> str:
        if desired:
            more["DesiredConfiguration"] = {"LaunchTemplate": self.version(desired)}
        reply = self.asg.start_instance_refresh(AutoScalingGroupName="g", Preferences=preferences, **more)
        return str(reply["InstanceRefreshId"])

    def refresh(self) -> dict[str, Any]:
        return dict(self.asg.describe_instance_refreshes(AutoScalingGroupName="g")["InstanceRefreshes"][0])

    def status(self) -> str:
        return str(self.refresh()["Status"])

    def versions(self) -> list[str]:
        """Of the instances that come or serve."""
        instances = self.fleet.described()["Instances"]
        present = [each for each in instances if not each["LifecycleState"].startswith("Terminating")]
        return sorted(each["LaunchTemplate"]["Version"] for each in present)

    def held(self, state: str) -> list[str]:
        return [each for each, present in self.fleet.states().items() if present == state]

    def settle(self) -> None:
        """Instances run, and their launch hooks are completed."""
        self.aws.tick(2)
        for each in self.held("Pending:Wait"):
            self.fleet.complete("boot", each)

    def drain(self) -> None:
        """The terminate hook is completed wherever it holds an instance."""
        for each in self.held("Terminating:Wait"):
            self.fleet.complete("drain", each)

    def finish(self, *, least: int = 0) -> None:
        """Let nodes become warm and drain until the refresh has ended; never fewer in service than `least`."""
        for _ in range(60):
            if self.refresh().get("EndTime"):
                return
            self.settle()
            self.drain()
            assert list(self.fleet.states().values()).count("InService") >= least
            self.aws.pass_seconds(10)
        raise AssertionError(self.refresh())

    def fail_for(self, seconds: int) -> None:
        """No new node becomes warm: each is abandoned."""
        for _ in range(seconds // 300):
            self.aws.tick(2)
            for each in self.held("Pending:Wait"):
                self.fleet.complete("boot", each, "ABANDON")
            self.drain()
            self.aws.pass_seconds(300)
