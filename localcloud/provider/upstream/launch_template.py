"""Launch templates. The provider does not read user data, nor compare a volume's size with its type."""

from localcloud.provider.upstream.autoscaling import TEMPLATE_NAME
from localcloud.provider.upstream.checks import Check, Conflict, Value
from localcloud.provider.upstream.forms import ARN, BOOLEAN_TEXT, between, length, one_of

_DISK, _METADATA = "blockDeviceMappings.ebs", "metadataOptions"
_SWITCH = one_of("disabled", "enabled")

TEMPLATE: tuple[Check, ...] = (
    Conflict(("iamInstanceProfile.arn", "iamInstanceProfile.name")),
    Value("name", TEMPLATE_NAME),
    Value("description", length(0, 255)),
    Value("iamInstanceProfile.arn", ARN),
    Value("ebsOptimized", BOOLEAN_TEXT),
    Value(f"{_DISK}.encrypted", BOOLEAN_TEXT),
    Value(f"{_DISK}.deleteOnTermination", BOOLEAN_TEXT),
    Value(f"{_DISK}.kmsKeyId", ARN),
    Value(f"{_DISK}.throughput", between(125, 2000)),
    Value(f"{_DISK}.volumeType", one_of("standard", "io1", "io2", "gp2", "sc1", "st1", "gp3")),
    Value("instanceInitiatedShutdownBehavior", one_of("stop", "terminate")),
    Value(f"{_METADATA}.httpEndpoint", _SWITCH),
    Value(f"{_METADATA}.httpProtocolIpv6", _SWITCH),
    Value(f"{_METADATA}.httpPutResponseHopLimit", between(1, 64)),
    Value(f"{_METADATA}.httpTokens", one_of("optional", "required")),
    Value(f"{_METADATA}.instanceMetadataTags", _SWITCH),
    Value("networkInterfaces.associatePublicIpAddress", BOOLEAN_TEXT),
    Value("networkInterfaces.deleteOnTermination", BOOLEAN_TEXT),
)
TABLE = {"aws:ec2/launchTemplate:LaunchTemplate": ("ec2/ec2_launch_template.go", TEMPLATE)}
