"""Failing and slow services, on demand: what AWS does on a bad day, for chaos runs and tests."""

import re
import time
from dataclasses import dataclass

from werkzeug import Request, Response

# The service's name in what Signature Version 4 signs; presigned URLs carry it as a parameter.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
SCOPE = re.compile(r"/\d{8}/[a-z0-9-]+/([a-z0-9-]+)/aws4_request")
EVERY_SERVICE = "*"


@dataclass(frozen=True)
class Fault:
    """What requests of one service meet: a delay in seconds, then an answer with this status if there is one."""

    delay_seconds: float = 0.0
    status: int | None = None


class Faults:
    """By service name as it is signed ("s3", "ec2", "autoscaling", "sqs"), or EVERY_SERVICE."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}

    def set(self, faults: dict[str, Fault]) -> None:
        """These from now on, and no others."""
        self._faults = faults

    def meet(self, request: Request) -> Response | None:
        """The answer of a failing service, after its delay; None where the request shall be answered."""
        if not self._faults:
            return None
        fault = self._faults.get(EVERY_SERVICE) or self._faults.get(service_of(request))
        if fault is None:
            return None
        time.sleep(fault.delay_seconds)
        return None if fault.status is None else Response("this service fails on demand", fault.status)


def service_of(request: Request) -> str:
    """Which service a signed request is for; empty where nothing says so."""
    found = SCOPE.search(request.headers.get("Authorization", "")) or SCOPE.search(request.full_path)
    return found[1] if found else ""
