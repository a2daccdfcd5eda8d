"""The routes that the daemon and the CLI use (localcloud/admin.py reads their answers)."""

import json
import os
from typing import Any

from moto.ec2.models import ec2_backends
from werkzeug import Request, Response
from werkzeug.exceptions import BadRequest, NotFound

from localcloud.aws import event_log
from localcloud.aws.cloud import ACCOUNT, SpotNotice, current
from localcloud.aws.ec2 import image_copies
from localcloud.aws.ec2.facts import all_instances, tags_of, user_data_of
from localcloud.aws.elbv2.documents import describe_balancers
from localcloud.aws.faults import Fault

LONGEST_WAIT_SECONDS = 30.0
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
NOTICE_SECONDS = 120.0
ALIVE = ("pending", "running")


def json_response(document: Any, status: int = 200) -> Response:
    return Response(json.dumps(document), status, content_type="application/json")


def health(_: Request) -> Response:
    """Who answers here; and what does not work, by the group or part concerned."""
    cloud = current()
    return json_response({"run_id": cloud.run_id, "pid": os.getpid(), "failures": dict(cloud.tick_failures)})


def events(request: Request) -> Response:
    """Events after number `after`; waits up to `wait` seconds for the first one."""
    try:
        after, wait = int(request.args.get("after", 0)), float(request.args.get("wait", 0))
    except ValueError as error:
        raise BadRequest(f"after and wait must be numbers: {error}") from error
    return json_response({"events": current().events.after(after, min(wait, LONGEST_WAIT_SECONDS))})


def instances(_: Request) -> Response:
    """Every instance that EC2 still shows, whatever its state."""
    with current().lock:
        return json_response([_instance(each) for each in all_instances()])


def images(_: Request) -> Response:
    """Images whose instance's disk is to be copied."""
    with current().lock:
        return json_response(image_copies.pending())


def image_copied(request: Request) -> Response:
    body = _body(request, "image_id", "copied")
    with current().lock:
        image_copies.finish(body["image_id"], copied=body["copied"])
    return json_response({})


def load_balancers(_: Request) -> Response:
    return json_response(describe_balancers())


def target_health(request: Request) -> Response:
    """Record what health checks found; DescribeTargetHealth answers from it."""
    report = _body(request, "target_group_arn", "targets")
    cloud = current()
    with cloud.lock:
        known = cloud.target_health.setdefault(report["target_group_arn"], {})
        known.update({each: (found["state"], found.get("reason", "")) for each, found in report["targets"].items()})
    return json_response({})


def powered_off(request: Request) -> Response:
    """An instance has shut itself down: it is stopped or terminated, as its launch said.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_ChangingInstanceInitiatedShutdownBehavior.html
    """
    instance_id = _body(request, "instance_id")["instance_id"]
    with current().lock:
        for instance in all_instances():
            if instance.id == instance_id and instance.state in ALIVE:
                backend, behavior = instance.ec2_backend, instance.instance_initiated_shutdown_behavior
                (backend.terminate_instances if behavior == "terminate" else backend.stop_instances)([instance_id])
    return json_response({})


def spot_interrupt(request: Request) -> Response:
    """Announce the end of a spot instance in `notice_seconds` (cloud time, default 120); also a `rebalance` if true."""
    body = _body(request, "instance_id")
    seconds = body.get("notice_seconds", NOTICE_SECONDS)
    if not isinstance(seconds, int | float) or seconds < 0:
        raise BadRequest(f"notice_seconds is {seconds!r}; give a number of seconds from 0")
    cloud, instance_id = current(), body["instance_id"]
    with cloud.lock:
        _living_spot_instance(instance_id)
        notice, now = cloud.spot.setdefault(instance_id, SpotNotice()), cloud.clock.now()
        if body.get("rebalance"):
            notice.rebalance_at = now
        notice.noticed_at, notice.ends_at = now, now + seconds
    cloud.events.add(event_log.SPOT_NOTICE, instance_id=instance_id, notice_seconds=seconds)
    return json_response({"ends_at": cloud.clock.date(now + seconds).isoformat()})


def spot_rebalance(request: Request) -> Response:
    """Give a spot instance a rebalance recommendation.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/rebalance-recommendations.html
    """
    cloud, instance_id = current(), _body(request, "instance_id")["instance_id"]
    with cloud.lock:
        _living_spot_instance(instance_id)
        cloud.spot.setdefault(instance_id, SpotNotice()).rebalance_at = cloud.clock.now()
    cloud.events.add(event_log.SPOT_REBALANCE, instance_id=instance_id)
    return json_response({})


def spot_cancel(request: Request) -> Response:
    """Take a notice back, and a recommendation too: the metadata then answers 404 again.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
    """
    cloud, instance_id = current(), _body(request, "instance_id")["instance_id"]
    with cloud.lock:
        _living_spot_instance(instance_id)
        cloud.spot.pop(instance_id, None)
    return json_response({})


def faults(request: Request) -> Response:
    """Have services fail: {"s3": {"delay_seconds": 2}, "*": {"status": 503}}; {} ends all of it."""
    body = _body(request)
    try:
        current().faults.set({name: Fault(**fault) for name, fault in body.items()})
    except TypeError as error:
        raise BadRequest(f"each service takes delay_seconds and status: {error}") from error
    return json_response({})


def _body(request: Request, *required: str) -> dict[str, Any]:
    try:
        body = json.loads(request.get_data())
    except ValueError as error:
        raise BadRequest(f"the body is no JSON: {error}") from error
    if missing := [each for each in required if not isinstance(body, dict) or each not in body]:
        raise BadRequest(f"the body lacks {', '.join(missing)}")
    found: dict[str, Any] = body
    return found


def _instance(instance: Any) -> dict[str, Any]:
    return {
        "instance_id": instance.id,
        "state": instance.state,
        "private_ip": instance.private_ip,
        "user_data": (user_data_of(instance) or b"").decode(errors="replace"),
        "tags": tags_of(instance),
        "image_id": instance.image_id,
        "reboots": getattr(instance, "local_reboots", 0),
    }


def _living_spot_instance(instance_id: str) -> None:
    found = [backend.get_instance_by_id(instance_id) for backend in ec2_backends[ACCOUNT].values()]
    instance = next(filter(None, found), None)
    if instance is None or instance.state not in ALIVE:
        raise NotFound(f"{instance_id} is no running instance; `warmfleet status` lists them")
    if instance.lifecycle != "spot":
        raise BadRequest(f"{instance_id} is on-demand: EC2 takes back spot instances only")
