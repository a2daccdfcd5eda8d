"""For each hand-written rule, inputs that it refuses and inputs that just pass; `others` are the resources beside it.

The values are made up from AWS's pages, which the rules name. A module here is named like the rules' own.
"""

from tests.unit.policies.cases import (
    api_model,
    autoscaling,
    autoscaling_policies,
    balancers,
    ec2,
    exposure,
    hourly,
    identity,
    messages,
    s3,
    vpc,
    watching,
)
from tests.unit.policies.cases.case import Case

MODULES = (
    hourly,
    exposure,
    autoscaling,
    autoscaling_policies,
    ec2,
    vpc,
    balancers,
    messages,
    s3,
    watching,
    identity,
    api_model,
)
CASES: list[Case] = [case for module in MODULES for case in module.CASES]
