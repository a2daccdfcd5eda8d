"""Our own routes, /_local/…: everything that is no AWS API. A bucket's name cannot begin with "_"."""

from werkzeug import Request, Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from localcloud.aws import admin
from localcloud.aws.metadata.route import PATTERN as METADATA
from localcloud.aws.metadata.route import ROOT_PATTERN as METADATA_ROOT
from localcloud.aws.metadata.route import MetadataRoute

PREFIX = "/_local/"


def rules() -> list[Rule]:
    """Each route; its endpoint is called with the request and the parts of the path that have a name."""
    metadata = MetadataRoute()
    return [
        Rule(METADATA, endpoint=metadata),
        Rule(METADATA_ROOT, endpoint=metadata),
        Rule("/_local/health", methods=["GET"], endpoint=admin.health),
        Rule("/_local/events", methods=["GET"], endpoint=admin.events),
        Rule("/_local/instances", methods=["GET"], endpoint=admin.instances),
        Rule("/_local/images", methods=["GET"], endpoint=admin.images),
        Rule("/_local/images", methods=["POST"], endpoint=admin.image_copied),
        Rule("/_local/load-balancers", methods=["GET"], endpoint=admin.load_balancers),
        Rule("/_local/target-health", methods=["POST"], endpoint=admin.target_health),
        Rule("/_local/powered-off", methods=["POST"], endpoint=admin.powered_off),
        Rule("/_local/spot/interrupt", methods=["POST"], endpoint=admin.spot_interrupt),
        Rule("/_local/spot/cancel", methods=["POST"], endpoint=admin.spot_cancel),
        Rule("/_local/faults", methods=["PUT"], endpoint=admin.faults),
        Rule("/_local/spot/rebalance", methods=["POST"], endpoint=admin.spot_rebalance),
    ]


class Routes:
    """Answers a request to one of our routes; errors are JSON {"error": …}."""

    def __init__(self) -> None:
        self._map = Map(rules())

    def answer(self, request: Request) -> Response:
        try:
            endpoint, arguments = self._map.bind_to_environ(request.environ).match()
            answer: Response = endpoint(request, **arguments)
        except HTTPException as error:
            return admin.json_response({"error": error.description}, error.code or 500)
        return answer
