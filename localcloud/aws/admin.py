"""The routes that the daemon and the CLI use (localcloud/admin.py reads their answers)."""

import json
import os
from typing import Any

from werkzeug import Request, Response
from werkzeug.exceptions import BadRequest

from localcloud.aws.cloud import current

LONGEST_WAIT_SECONDS = 30.0


def json_response(document: Any, status: int = 200) -> Response:
    return Response(json.dumps(document), status, content_type="application/json")


def health(_: Request) -> Response:
    """Who answers here; and what does not work, by the group or part concerned."""
    cloud = current()
    return json_response({"run_id": cloud.run_id, "pid": os.getpid(), "failures": dict(cloud.tick_failures)})


def events(request: Request) -> Response:
    try:
        after, wait = int(request.args.get("after", 0)), float(request.args.get("wait", 0))
    except ValueError as error:
        raise BadRequest(f"after and wait must be numbers: {error}") from error
    return json_response({"events": current().events.after(after, min(wait, LONGEST_WAIT_SECONDS))})


def instances(_: Request) -> Response:
    return json_response([])


def load_balancers(_: Request) -> Response:
    return json_response([])


def target_health(_: Request) -> Response:
    return json_response({})


def spot_interrupt(_: Request) -> Response:
    return json_response({})


def spot_rebalance(_: Request) -> Response:
    return json_response({})
