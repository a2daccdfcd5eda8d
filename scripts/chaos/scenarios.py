"""What strikes the fleet, one function each. They block, and run beside the clients."""

import json
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from urllib.request import Request, urlopen

from inference_service import contract
from inference_service.artifacts import published
from inference_service.node.engines.stub import HANGING_WORD
from scripts.chaos import view
from scripts.chaos.fleet import MODEL, NODE_PORT, NODES, NOTICE_SECONDS, Fleet
from scripts.exit_codes import CommandError
from scripts.progress import Steps
from scripts.rollout.activation import BucketPointers
from scripts.rollout.drive import Rollout
from scripts.rollout.history import begin

OUTAGE_SECONDS = 8.0
UNREADY_SECONDS, GONE_SECONDS = 30.0, 60.0  # how long it is looked for; what is allowed is less


@dataclass
class Strike:
    """One scenario under way. `unready` and `gone`: seconds after a notice, the longest."""

    fleet: Fleet
    chance: random.Random
    unready: float | None = None
    gone: float | None = None

    def node(self) -> tuple[str, str]:
        """Id and address of a warm node."""
        nodes = view.instances(self.fleet, contract.ROLE_NODE)
        instance_id = self.chance.choice(sorted(view.warm(self.fleet)))
        return instance_id, nodes[instance_id]

    def gateway(self) -> tuple[str, str]:
        """Id and address of a gateway; clients of it may be cut off from now on."""
        instance_id, address = self.chance.choice(sorted(view.instances(self.fleet, contract.ROLE_GATEWAY).items()))
        self.fleet.ended.add(address)
        return instance_id, address


def notice(strike: Strike) -> None:
    """EC2 takes a node back, with notice."""
    instance_id, address = strike.node()
    body = {"instance_id": instance_id, "notice_seconds": NOTICE_SECONDS}
    view.local(strike.fleet, "POST", "spot/interrupt", body)
    with ThreadPoolExecutor(2) as both:
        unready = both.submit(view.seconds_until_unready, address, UNREADY_SECONDS)
        gone = both.submit(view.seconds_until_gone, strike.fleet, instance_id, GONE_SECONDS)
    strike.unready = UNREADY_SECONDS if unready.result() is None else unready.result()
    strike.gone = GONE_SECONDS if gone.result() is None else gone.result()


def notice_cancelled(strike: Strike) -> None:
    """A notice that nothing follows: the node serves again."""
    instance_id, address = strike.node()
    groups = strike.fleet.client("autoscaling")
    groups.suspend_processes(AutoScalingGroupName=contract.ROLE_NODE, ScalingProcesses=["Terminate"])
    view.local(strike.fleet, "POST", "spot/interrupt", {"instance_id": instance_id, "notice_seconds": 600})
    strike.unready = view.seconds_until_unready(address, UNREADY_SECONDS)
    with suppress(OSError):  # its group may have ended it in the meantime: Capacity Rebalancing acts at once
        view.local(strike.fleet, "POST", "spot/cancel", {"instance_id": instance_id})
    groups.resume_processes(AutoScalingGroupName=contract.ROLE_NODE, ScalingProcesses=["Terminate"])


def rebalance_only(strike: Strike) -> None:
    """A recommendation: its group replaces the node."""
    view.local(strike.fleet, "POST", "spot/rebalance", {"instance_id": strike.node()[0]})


def killed(strike: Strike) -> None:
    """A node is lost without a word."""
    strike.fleet.kill(contract.ROLE_NODE, strike.node()[1])


def scale_in(strike: Strike) -> None:
    """Fewer nodes are wanted for a while."""
    strike.fleet.scale(contract.ROLE_NODE, NODES - 2)
    time.sleep(OUTAGE_SECONDS)
    strike.fleet.scale(contract.ROLE_NODE, NODES)


def engine_wedged(strike: Strike) -> None:
    """An engine accepts requests and never answers: the stub's word for it, sent past the gateways."""
    url = f"http://{strike.node()[1]}:{NODE_PORT}{contract.PATH_CHAT_COMPLETIONS}"
    body = {"model": MODEL, "messages": [{"role": "user", "content": HANGING_WORD}]}
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with suppress(OSError), urlopen(request, timeout=OUTAGE_SECONDS) as answer:
        answer.read()


def gateway_rolled(strike: Strike) -> None:
    """A gateway is replaced: SIGTERM, and its answers end."""
    instance_id, address = strike.gateway()
    strike.fleet.ended.discard(address)  # nobody may notice
    strike.fleet.terminate(instance_id)


def gateway_killed(strike: Strike) -> None:
    """A gateway is gone at once, and every connection to it."""
    strike.fleet.kill(contract.ROLE_GATEWAY, strike.gateway()[1])


def s3_slow(strike: Strike) -> None:
    """S3 takes two seconds for everything, while a new node has to fetch its model."""
    view.local(strike.fleet, "PUT", "faults", {"s3": {"delay_seconds": 2}})
    killed(strike)
    time.sleep(OUTAGE_SECONDS)
    view.local(strike.fleet, "PUT", "faults", {})


def sqs_outage(strike: Strike) -> None:
    """SQS fails: what clients ask directly does not notice."""
    view.local(strike.fleet, "PUT", "faults", {"sqs": {"status": 503}})
    time.sleep(OUTAGE_SECONDS)
    view.local(strike.fleet, "PUT", "faults", {})


def aws_down(strike: Strike) -> None:
    """No AWS API answers: what is warm keeps serving."""
    view.local(strike.fleet, "PUT", "faults", {"*": {"status": 503}})
    time.sleep(OUTAGE_SECONDS)
    view.local(strike.fleet, "PUT", "faults", {})


def third_lost(strike: Strike) -> None:
    """A third of the nodes at once, without a word."""
    addresses = sorted(strike.fleet.processes(contract.ROLE_NODE))
    for address in strike.chance.sample(addresses, max(1, len(addresses) // 3)):
        strike.fleet.kill(contract.ROLE_NODE, address)


def rollout(strike: Strike) -> None:
    """Another version of the model, in waves."""
    store = strike.fleet.store
    read = store.read_pointer(MODEL)
    if read is None:
        raise CommandError(f"the model {MODEL} has no active version")
    version = f"v{int(read[0].current.version[1:]) + 1}"
    strike.fleet.publish(version)
    pointers = BucketPointers(store, MODEL, read, lambda: store)

    def look() -> list[dict[str, object]]:
        return [dict(each) for each in view.described(strike.fleet)]

    candidate = published(store, MODEL, version)
    Rollout(MODEL, candidate, read[0], pointers, look, begin(time.monotonic()), Steps(sys.stderr)).run()


def all_together(strike: Strike) -> None:
    """A notice, a kill, a gateway gone and slow S3 at the same time."""
    view.local(strike.fleet, "PUT", "faults", {"s3": {"delay_seconds": 1}})
    instance_id, address = strike.node()
    gateway_killed(strike)
    others = [each for each in strike.fleet.processes(contract.ROLE_NODE) if each != address]
    strike.fleet.kill(contract.ROLE_NODE, strike.chance.choice(sorted(others)))
    body = {"instance_id": instance_id, "notice_seconds": NOTICE_SECONDS}
    view.local(strike.fleet, "POST", "spot/interrupt", body)
    strike.gone = view.seconds_until_gone(strike.fleet, instance_id, GONE_SECONDS) or GONE_SECONDS
    view.local(strike.fleet, "PUT", "faults", {})


SCENARIOS: dict[str, Callable[[Strike], None]] = {
    "notice": notice,
    "notice-cancelled": notice_cancelled,
    "rebalance-only": rebalance_only,
    "node-killed": killed,
    "scale-in": scale_in,
    "engine-wedged": engine_wedged,
    "gateway-rolled": gateway_rolled,
    "gateway-killed": gateway_killed,
    "s3-slow": s3_slow,
    "sqs-outage": sqs_outage,
    "aws-down": aws_down,
    "third-lost": third_lost,
    "model-rollout": rollout,
    "all-together": all_together,
}
WITHOUT_S3 = frozenset(["aws-down"])  # meanwhile an Idempotency-Key holds for one gateway alone (docs/api.md)
