"""The ways from private subnets to the AWS APIs, and what each needs. Pure."""

INTERFACE_ENDPOINTS = "interface_endpoints"
NAT_PER_ZONE = "nat_per_zone"

# What gateways, nodes and the SSM agent call. S3 has a gateway endpoint.
# https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html
SERVICES = ("autoscaling", "ec2", "ec2messages", "kms", "logs", "monitoring", "sqs", "ssm", "ssmmessages", "sts")
