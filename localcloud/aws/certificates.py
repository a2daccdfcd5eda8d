"""The certificate that the committed stack files name, so that they can be tried out before one has a certificate."""

from functools import cache
from typing import Any

from localcloud.cloud_state import REGION

ACCOUNT_ID = "123456789012"  # moto's, and the account of AWS's own examples
ARN = f"arn:aws:acm:{REGION}:{ACCOUNT_ID}:certificate/00000000-0000-4000-8000-000000000000"
DOMAIN = "inference.example.com"


def provide_certificate() -> None:
    """Let the local AWS know it. It is made up: no listener of the local cloud serves HTTPS."""
    from moto.acm.models import acm_backends

    acm_backends[ACCOUNT_ID][REGION]._certificates[ARN] = _certificate()


@cache
def _certificate() -> Any:
    """Made once in a process: the key takes a fifth of a second."""
    from moto.acm.models import acm_backends

    backend = acm_backends[ACCOUNT_ID][REGION]
    made = backend.request_certificate(domain_name=DOMAIN, idempotency_token="", subject_alt_names=[], tags=[])
    bundle = backend._certificates.pop(made)
    bundle.arn, bundle.status = ARN, "ISSUED"  # moto would leave it waiting for its validation, a minute long
    return bundle
