"""Metadata as a route of the cloud's server: /_local/metadata/<instance id>/latest/…"""

import secrets
from datetime import UTC, datetime

from werkzeug import Request, Response

from localcloud.aws.cloud import current
from localcloud.aws.metadata import responder
from localcloud.aws.metadata.credentials import CredentialSource, assume_role
from localcloud.aws.metadata.tokens import Tokens

PATTERN = "/_local/metadata/<instance_id>/latest/<path:path>"
ROOT_PATTERN = "/_local/metadata/<instance_id>/latest/"


class MetadataRoute:
    """The tokens and credentials given out by one server, and the endpoint that gives them."""

    def __init__(self) -> None:
        self._tokens = Tokens(lambda: current().clock.now(), lambda: secrets.token_urlsafe(40))
        self._credentials = CredentialSource(assume_role, lambda: datetime.now(UTC))

    def __call__(self, request: Request, instance_id: str, path: str = "") -> Response:
        from localcloud.aws.ec2.facts import read_facts  # not before EC2 is used: it takes a second to load

        headers = request.headers
        question = responder.Question(
            request.method,
            path,
            token=headers.get(responder.TOKEN_HEADER),
            ttl_seconds=headers.get(responder.TTL_HEADER),
            forwarded_for=headers.get(responder.FORWARDED_HEADER),
        )
        answer = responder.respond(question, read_facts(instance_id), self._tokens, self._credentials.of)
        return Response(answer.body, answer.status, dict(answer.headers), content_type="text/plain")
