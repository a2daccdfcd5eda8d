"""Launch templates and volumes."""

import base64

from infra.policies.aws_refuses.ec2 import TEMPLATE, VOLUME
from infra.policies.resource import UNKNOWN
from tests.unit.policies.cases.case import TYPE_AND_REQUIREMENTS, Case, disk

CASES = [
    Case(
        "user-data",
        TEMPLATE,
        {"userData": base64.b64encode(b"x" * 16385).decode()},
        {"userData": base64.b64encode(b"x" * 16384).decode()},
    ),
    Case("user-data", TEMPLATE, {"userData": "#!/bin/sh"}, {"userData": UNKNOWN}),
    Case("template-name", TEMPLATE, {"name": "a node"}, {"name": "a/node"}),
    Case("type-or-requirements", TEMPLATE, TYPE_AND_REQUIREMENTS, {"instanceType": "c7i.xlarge"}),
    Case(
        "groups-on-an-interface",
        TEMPLATE,
        {"vpcSecurityGroupIds": [UNKNOWN], "networkInterfaces": [{"subnetId": "subnet-1"}]},
        {"networkInterfaces": [{"securityGroups": [UNKNOWN]}]},
    ),
    Case(
        "spot-options",
        TEMPLATE,
        {"instanceMarketOptions": {"marketType": "spot", "spotOptions": {"instanceInterruptionBehavior": "stop"}}},
        {
            "instanceMarketOptions": {
                "marketType": "spot",
                "spotOptions": {"instanceInterruptionBehavior": "stop", "spotInstanceType": "persistent"},
            }
        },
    ),
    Case("volumes", TEMPLATE, disk(volumeType="gp2", iops=3000), disk(volumeType="gp3", iops=3000)),
    Case("volumes", TEMPLATE, disk(volumeType="gp3", throughput=751), disk(volumeType="gp3", throughput=750)),
    Case("volumes", TEMPLATE, disk(volumeType="gp3", iops=50001), disk(volumeType="gp3", iops=50000)),
    Case("volumes", TEMPLATE, disk(volumeType="io2"), disk(volumeType="io2", iops=1000)),
    Case("volumes", TEMPLATE, disk(kmsKeyId=UNKNOWN), disk(kmsKeyId=UNKNOWN, encrypted="true")),
    Case("volumes", VOLUME, {"type": "st1", "size": 124}, {"type": "st1", "size": 125}),
]
