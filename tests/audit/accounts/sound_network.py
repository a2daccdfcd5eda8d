"""A network in which no control finds anything: two zones, a load balancer, and a group behind it."""

from dataclasses import dataclass
from typing import Any

from localcloud.aws.in_process import LocalAws

IMAGE = "ami-12345678"
TLS = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
EVERYBODY = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}


@dataclass(frozen=True)
class Network:
    vpc: str
    subnets: list[str]
    group: str


def a_network(aws: LocalAws) -> Network:
    """Two zones, nothing open but the web, and a way to a part of another VPC."""
    ec2 = aws.client("ec2")
    vpc, peer = (ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"] for cidr in ("10.9.0.0/16", "10.8.0.0/16"))
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"]
        for number, zone in enumerate("ab")
    ]
    for each in (vpc, peer):
        _shut(ec2, each)
    ec2.create_flow_logs(
        ResourceIds=[vpc, peer],
        ResourceType="VPC",
        TrafficType="REJECT",
        LogDestinationType="s3",
        LogDestination="arn:aws:s3:::accesses",
    )
    peering = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=peer)["VpcPeeringConnection"]
    link = peering["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=link)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.8.3.0/24", VpcPeeringConnectionId=link)
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    for port in (80, 443):
        rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **EVERYBODY}
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    return Network(vpc, [each["SubnetId"] for each in subnets], group)


def _shut(ec2: Any, vpc: str) -> None:
    """Nothing through the default group, and no remote administration through the network ACL."""
    mine = [{"Name": "vpc-id", "Values": [vpc]}]
    (default,) = ec2.describe_security_groups(Filters=mine)["SecurityGroups"]
    ec2.revoke_security_group_egress(GroupId=default["GroupId"], IpPermissions=default["IpPermissionsEgress"])
    (acl,) = ec2.describe_network_acls(Filters=mine)["NetworkAcls"]
    for number, port in enumerate((22, 3389)):
        ec2.create_network_acl_entry(
            NetworkAclId=acl["NetworkAclId"],
            RuleNumber=10 + number,
            Protocol="6",
            RuleAction="deny",
            Egress=False,
            CidrBlock="0.0.0.0/0",
            PortRange={"From": port, "To": port},
        )


def templates_and_groups(aws: LocalAws, network: Network, key: str) -> None:
    ec2 = aws.client("ec2")
    disk = {"VolumeSize": 8, "Encrypted": True, "KmsKeyId": key}
    data = {
        "ImageId": IMAGE,
        "MetadataOptions": {"HttpTokens": "required"},
        "IamInstanceProfile": {"Name": "node"},
        "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": disk}],
        "NetworkInterfaces": [{"DeviceIndex": 0, "AssociatePublicIpAddress": False, "Groups": [network.group]}],
    }
    ec2.create_launch_template(LaunchTemplateName="sound", LaunchTemplateData=data)
    named = {"LaunchTemplateName": "sound", "Version": "1"}
    targets = balancer(aws, network)
    overrides = [{"InstanceType": each} for each in ("t3.small", "t3.medium")]
    aws.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="sound",
        MinSize=1,
        MaxSize=1,
        VPCZoneIdentifier=",".join(network.subnets),
        HealthCheckType="ELB",
        TargetGroupARNs=[targets],
        MixedInstancesPolicy={
            "LaunchTemplate": {"LaunchTemplateSpecification": named, "Overrides": overrides},
            "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 100},
        },
    )
    aws.client("autoscaling").create_launch_configuration(
        LaunchConfigurationName="sound",
        ImageId=IMAGE,
        InstanceType="t3.small",
        AssociatePublicIpAddress=False,
        MetadataOptions={"HttpTokens": "required"},
    )
    aws.tick(3)


def balancer(aws: LocalAws, network: Network) -> str:
    """Its targets."""
    elb = aws.client("elbv2")
    made = elb.create_load_balancer(Name="sound", Subnets=network.subnets, SecurityGroups=[network.group])
    arn = made["LoadBalancers"][0]["LoadBalancerArn"]
    wanted = {
        "routing.http.drop_invalid_header_fields.enabled": "true",
        "routing.http.desync_mitigation_mode": "strictest",
        "deletion_protection.enabled": "true",
        "access_logs.s3.enabled": "true",
        "access_logs.s3.bucket": "accesses",
    }
    attributes = [{"Key": key, "Value": value} for key, value in wanted.items()]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)
    shown = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "sound"}
    waf = aws.client("wafv2")
    acl = waf.create_web_acl(Name="sound", Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=shown)
    waf.associate_web_acl(WebACLArn=acl["Summary"]["ARN"], ResourceArn=arn)
    targets = elb.create_target_group(Name="sound", Protocol="HTTP", Port=8080, VpcId=network.vpc)["TargetGroups"][0]
    certificate = aws.client("acm").request_certificate(DomainName="example.com")["CertificateArn"]
    elb.create_listener(
        LoadBalancerArn=arn,
        Protocol="HTTPS",
        Port=443,
        SslPolicy=TLS,
        Certificates=[{"CertificateArn": certificate}],
        DefaultActions=[{"Type": "forward", "TargetGroupArn": targets["TargetGroupArn"]}],
    )
    return str(targets["TargetGroupArn"])
