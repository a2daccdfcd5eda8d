"""The policies that `warmfleet simulate` knows, by name. One file each, all with the signature of `infra.planner.plan`.

`tuned` names are knobs chosen once, on m-small with the 4-node supply, and used everywhere (docs/scaling.md).
"""

from infra.planner.model import Policy
from scripts.simulator.policies.keda_sqs import KedaSqs
from scripts.simulator.policies.predictive import Predictive
from scripts.simulator.policies.spothedge import SpotHedge
from scripts.simulator.policies.step_backlog import StepBacklog
from scripts.simulator.policies.target_tracking import TargetTracking
from scripts.simulator.policies.warmfleet import plan

OURS = "warmfleet"
POLICIES: dict[str, Policy] = {
    OURS: plan,
    "on-demand-target-tracking": TargetTracking(on_demand_share=1.0),
    "spot-target-tracking": TargetTracking(on_demand_share=0.0),
    "half-target-tracking": TargetTracking(),
    "half-predictive": Predictive(),
    "half-step-backlog": StepBacklog(),
    "spothedge": SpotHedge(),
    "spothedge-tuned": SpotHedge(load=0.8, extra=4),
    "spothedge-self-tuned-load": SpotHedge(tuned="load"),
    "spothedge-self-tuned-extra": SpotHedge(tuned="extra"),
    "keda-sqs": KedaSqs(),
}
