"""What instance metadata answers to one request.

Stricter than AWS: a token is demanded even where the launch template leaves HttpTokens at "optional", since all
instances of this project require it. Hop limits are not simulated: every caller is on this machine.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from localcloud.aws.instance_facts import InstanceFacts
from localcloud.aws.metadata.content import Credentials, content, read
from localcloud.aws.metadata.tokens import LONGEST_SECONDS, SHORTEST_SECONDS, Tokens

TOKEN_PATH = "api/token"
TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN_HEADER = "X-aws-ec2-metadata-token"
FORWARDED_HEADER = "X-Forwarded-For"


@dataclass(frozen=True)
class Question:
    """A request to metadata; `path` is below latest/, header fields are None when absent."""

    method: str
    path: str
    token: str | None = None
    ttl_seconds: str | None = None
    forwarded_for: str | None = None


@dataclass(frozen=True)
class Answer:
    """A status, the bytes of the body, and header fields."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def respond(question: Question, facts: InstanceFacts | None, tokens: Tokens, credentials: Credentials) -> Answer:
    """Answer as IMDSv2 does: 200, or 400, 401, 403, 404 or 405 with a reason in the body.

    Args:
        facts: None for an instance that is not there or has ended. On AWS its metadata address would not answer any
            more; here it is a path of the cloud's own server, which says 404.
    """
    if facts is None:
        return Answer(404, b"no such instance, or it has been terminated")
    if facts.metadata_options.http_endpoint == "disabled":
        return Answer(403, b"the instance's launch turned metadata off (HttpEndpoint=disabled)")
    if question.method == "PUT":
        return _token(question, facts, tokens)
    if question.method not in ("GET", "HEAD"):
        return Answer(405, f"{question.method} is not allowed; ask with GET, after PUT latest/api/token".encode())
    seconds_left = tokens.seconds_left(facts.instance_id, question.token)
    if seconds_left <= 0:
        return Answer(401, f"{TOKEN_HEADER} is missing, expired or another instance's".encode())
    found = read(content(facts, credentials), question.path)
    if found is None:
        return Answer(404, f"nothing at latest/{question.path}".encode())
    return Answer(200, found, {TTL_HEADER: str(int(seconds_left))})


def _token(question: Question, facts: InstanceFacts, tokens: Tokens) -> Answer:
    if question.path != TOKEN_PATH:
        return Answer(405, f"PUT is only for latest/{TOKEN_PATH}".encode())
    if question.forwarded_for is not None:
        # A request that came through a proxy: not the instance itself may be asking.
        return Answer(403, f"{FORWARDED_HEADER} is not allowed".encode())
    seconds = _seconds(question.ttl_seconds)
    if seconds is None:
        text = f"{TTL_HEADER} is {question.ttl_seconds}; it must be {SHORTEST_SECONDS} to {LONGEST_SECONDS}"
        return Answer(400, text.encode())
    return Answer(200, tokens.give(facts.instance_id, seconds).encode(), {TTL_HEADER: str(seconds)})


def _seconds(text: str | None) -> int | None:
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= len(str(LONGEST_SECONDS))):
        return None
    seconds = int(text)
    return seconds if SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS else None
