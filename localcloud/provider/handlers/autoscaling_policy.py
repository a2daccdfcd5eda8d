"""Step scaling policies of Auto Scaling groups."""

from typing import Any

from localcloud.provider.errors import GoneError
from localcloud.provider.handlers.autoscaling_calls import described
from localcloud.provider.resource import AutoName, Aws, Handler, chosen, names
from localcloud.provider.values import Properties

PLAIN = names("policyType adjustmentType metricAggregationType estimatedInstanceWarmup")
LOWER, UPPER = "metricIntervalLowerBound", "metricIntervalUpperBound"


class Policy(Handler):
    token = "aws:autoscaling/policy:Policy"
    inputs = (
        names("name autoscalingGroupName")
        | PLAIN
        | names(f"stepAdjustments.{LOWER} stepAdjustments.{UPPER} stepAdjustments.scalingAdjustment")
    )
    outputs = names("arn name autoscalingGroupName stepAdjustments region") | PLAIN
    replaced_by = names("name autoscalingGroupName")
    unordered = names("stepAdjustments")
    auto_name = AutoName()

    def create(self, aws: Aws, inputs: Properties) -> str:
        group, given = inputs["autoscalingGroupName"], chosen(inputs, PLAIN)
        if "stepAdjustments" in inputs:
            given["StepAdjustments"] = [_step(each) for each in inputs["stepAdjustments"]]
        aws.client("autoscaling").put_scaling_policy(PolicyName=inputs["name"], AutoScalingGroupName=group, **given)
        return str(inputs["name"])

    def read(self, aws: Aws, id_: str, known: Properties) -> Properties:
        group, name = self._place(id_, known)
        described(aws, group)  # AWS answers for a group that is gone with a plain validation error
        found = aws.client("autoscaling").describe_policies(AutoScalingGroupName=group, PolicyNames=[name])
        if not found["ScalingPolicies"]:
            raise GoneError(id_)
        policy = found["ScalingPolicies"][0]
        plain = {key: policy[named] for key in PLAIN if policy.get(named := key[0].upper() + key[1:]) is not None}
        return {
            "arn": policy["PolicyARN"],
            "name": name,
            "autoscalingGroupName": group,
            "stepAdjustments": [_shown(each) for each in policy.get("StepAdjustments", [])],
            "region": aws.region,
            **plain,
        }

    def update(self, aws: Aws, id_: str, inputs: Properties, known: Properties) -> None:
        self.create(aws, inputs)

    def delete(self, aws: Aws, id_: str, known: Properties) -> None:
        group, name = self._place(id_, known)
        self.read(aws, id_, known)  # AWS answers for a policy that is gone with a plain validation error
        aws.client("autoscaling").delete_policy(AutoScalingGroupName=group, PolicyName=name)

    @staticmethod
    def _place(id_: str, known: Properties) -> tuple[str, str]:
        if not known:  # an import: the id is GROUP/POLICY
            group, _, name = id_.partition("/")
            return group, name
        return known["autoscalingGroupName"], known["name"]


def _step(given: Properties) -> dict[str, Any]:
    """As AWS takes it: Pulumi's bounds are texts, and a bound that is not given is infinite."""
    step: dict[str, Any] = {"ScalingAdjustment": int(given["scalingAdjustment"])}
    if LOWER in given:
        step["MetricIntervalLowerBound"] = float(given[LOWER])
    if UPPER in given:
        step["MetricIntervalUpperBound"] = float(given[UPPER])
    return step


def _shown(step: dict[str, Any]) -> Properties:
    bounds = {LOWER: step.get("MetricIntervalLowerBound"), UPPER: step.get("MetricIntervalUpperBound")}
    texts = {key: f"{value:g}" for key, value in bounds.items() if value is not None}
    return {"scalingAdjustment": int(step["ScalingAdjustment"]), **texts}
