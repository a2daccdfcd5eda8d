"""Every rule there is, in the order in which they are said."""

from collections.abc import Sequence

from infra.policies import api_models
from infra.policies.aws_refuses import (
    autoscaling,
    autoscaling_policies,
    balancers,
    ec2,
    identity,
    messages,
    s3,
    vpc,
    watching,
)
from infra.policies.cost import hourly
from infra.policies.rule import Rule, rules_of
from infra.policies.security import exposure

MODULES = (autoscaling, autoscaling_policies, ec2, vpc, balancers, messages, s3, watching, identity, exposure, hourly)


def every_rule() -> Sequence[Rule]:
    """The hand-written ones first: where both say something, theirs is clearer."""
    return [*(rule for module in MODULES for rule in rules_of(module)), *api_models.RULES]
