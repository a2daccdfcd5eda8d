"""Instances, groups and load balancers without any of the settings that make them safe."""

from typing import Any

from localcloud.aws.in_process import LocalAws
from tests.audit.accounts.breaking import name
from tests.audit.accounts.sound_network import IMAGE
from tests.audit.accounts.weak_network import own_vpc


def bare_instance(aws: LocalAws) -> str:
    """No role, IMDSv1, a disk in the clear and a public address."""
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": True}
    made = aws.client("ec2").run_instances(
        ImageId=IMAGE,
        InstanceType="t3.small",
        MinCount=1,
        MaxCount=1,
        NetworkInterfaces=[interface],
        MetadataOptions={"HttpTokens": "optional"},
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 8, "Encrypted": False}}],
    )
    return f"instance {made['Instances'][0]['InstanceId']}"


def bare_template(aws: LocalAws) -> str:
    template = name()
    data = {"ImageId": IMAGE, "NetworkInterfaces": [{"DeviceIndex": 0, "AssociatePublicIpAddress": True}]}
    aws.client("ec2").create_launch_template(LaunchTemplateName=template, LaunchTemplateData=data)
    return f"launch template {template}"


def bare_configuration(aws: LocalAws) -> str:
    configuration = name()
    aws.client("autoscaling").create_launch_configuration(
        LaunchConfigurationName=configuration,
        ImageId=IMAGE,
        InstanceType="t3.small",
        AssociatePublicIpAddress=True,
        MetadataOptions={"HttpTokens": "optional"},
    )
    return f"launch configuration {configuration}"


def bare_group(aws: LocalAws) -> str:
    """One zone, one type from a launch configuration, and behind a load balancer that it does not ask."""
    group = name()
    elb = aws.client("elbv2")
    targets = elb.create_target_group(Name=group, Protocol="HTTP", Port=80, VpcId=own_vpc(aws))["TargetGroups"]
    aws.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=group,
        MinSize=0,
        MaxSize=1,
        AvailabilityZones=["us-east-1a"],
        LaunchConfigurationName=bare_configuration(aws).split()[2],
        TargetGroupARNs=[targets[0]["TargetGroupArn"]],
    )
    return f"group {group}"


def _balancer(aws: LocalAws, **listener: Any) -> str:
    balancer = name()
    elb = aws.client("elbv2")
    subnet = aws.client("ec2").create_subnet(VpcId=own_vpc(aws), CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
    made = elb.create_load_balancer(Name=balancer, Subnets=[subnet])["LoadBalancers"][0]["LoadBalancerArn"]
    monitor = [{"Key": "routing.http.desync_mitigation_mode", "Value": "monitor"}]
    elb.modify_load_balancer_attributes(LoadBalancerArn=made, Attributes=monitor)
    answer = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}]
    elb.create_listener(LoadBalancerArn=made, DefaultActions=answer, **listener)
    return f"load balancer {balancer}"


def bare_balancer(aws: LocalAws) -> str:
    return _balancer(aws, Protocol="HTTP", Port=80)


def plain_listener(aws: LocalAws) -> str:
    return f"{bare_balancer(aws)}, port 80"


def old_tls(aws: LocalAws) -> str:
    certificate = aws.client("acm").request_certificate(DomainName="example.com")["CertificateArn"]
    old = {"Certificates": [{"CertificateArn": certificate}], "SslPolicy": "ELBSecurityPolicy-2016-08"}
    return f"{_balancer(aws, Protocol='HTTPS', Port=443, **old)}, port 443"
