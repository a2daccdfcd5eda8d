"""The policies that `warmfleet simulate` knows, by name. One file each, all with the signature of `infra.planner.plan`.

`-tuned` have the knob that was cheapest at 99 % on m-small with the 4-node supply, and keep it everywhere;
`-self-tuned-` ones have our tuner (docs/scaling.md).
"""

from infra.planner.model import Policy
from scripts.simulator.policies.keda_sqs import KedaSqs
from scripts.simulator.policies.knative_kpa import KnativeKpa
from scripts.simulator.policies.predictive import Predictive
from scripts.simulator.policies.ray_serve import RayServe
from scripts.simulator.policies.spothedge import SpotHedge
from scripts.simulator.policies.step_backlog import StepBacklog
from scripts.simulator.policies.target_tracking import TargetTracking
from scripts.simulator.policies.warmfleet import plan

OURS = "warmfleet"
POLICIES: dict[str, Policy] = {
    OURS: plan,
    "on-demand-target-tracking": TargetTracking(on_demand_share=1.0),
    "on-demand-target-tracking-tuned": TargetTracking(load=0.8, on_demand_share=1.0),
    "spot-target-tracking": TargetTracking(on_demand_share=0.0),
    "half-target-tracking": TargetTracking(),
    "half-target-tracking-tuned": TargetTracking(load=0.55),
    "half-predictive": Predictive(),
    "half-predictive-tuned": Predictive(load=0.6),
    "half-step-backlog": StepBacklog(),
    "half-step-backlog-tuned": StepBacklog(acceptable_seconds=0.5),
    "spothedge": SpotHedge(),
    "spothedge-tuned": SpotHedge(load=0.6, extra=2),
    "spothedge-self-tuned-load": SpotHedge(tuned="load"),
    "spothedge-self-tuned-extra": SpotHedge(tuned="extra"),
    "keda-sqs": KedaSqs(),
    "knative-kpa": KnativeKpa(),
    "knative-kpa-tuned": KnativeKpa(utilization=0.5),
    "ray-serve": RayServe(),
    "ray-serve-tuned": RayServe(target_ongoing_requests=2.5),
}
