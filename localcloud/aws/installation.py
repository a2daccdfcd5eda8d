"""Puts our subclasses of moto's backends in, and takes them out again.

moto keeps one dictionary of backends per service and makes a backend when it is first asked for, of the class in
`BackendDict.backend`. A backend serves the URLs of the module `urls` beside its own class.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from localcloud.aws.cloud import Cloud, set_current

DEFAULT_IMAGES = "MOTO_EC2_LOAD_DEFAULT_AMIS"


def backend_classes() -> list[tuple[Any, type]]:
    """Each of moto's backend dictionaries that gets another class, with that class.

    Imported here: importing moto's EC2 takes a second, and must happen after the environment is set.
    """
    from moto.autoscaling.models import autoscaling_backends
    from moto.budgets.models import budgets_backends
    from moto.cloudwatch.models import cloudwatch_backends
    from moto.ec2.models import ec2_backends
    from moto.elb.models import elb_backends
    from moto.elbv2.models import elbv2_backends
    from moto.kms.models import kms_backends
    from moto.logs.models import logs_backends
    from moto.s3.models import s3_backends
    from moto.sqs.models import sqs_backends

    from localcloud.aws.autoscaling.models import LocalAutoScalingBackend
    from localcloud.aws.budgets.models import LocalBudgetsBackend
    from localcloud.aws.cloudwatch.models import LocalCloudWatchBackend
    from localcloud.aws.ec2.models import LocalEC2Backend
    from localcloud.aws.elbv2.models import LocalELBBackend, LocalELBv2Backend
    from localcloud.aws.kms.models import LocalKmsBackend
    from localcloud.aws.logs.models import LocalLogsBackend
    from localcloud.aws.s3.models import LocalS3Backend
    from localcloud.aws.sqs.models import LocalSQSBackend

    return [
        (autoscaling_backends, LocalAutoScalingBackend),
        (budgets_backends, LocalBudgetsBackend),
        (cloudwatch_backends, LocalCloudWatchBackend),
        (ec2_backends, LocalEC2Backend),
        (elb_backends, LocalELBBackend),
        (elbv2_backends, LocalELBv2Backend),
        (kms_backends, LocalKmsBackend),
        (logs_backends, LocalLogsBackend),
        (s3_backends, LocalS3Backend),
        (sqs_backends, LocalSQSBackend),
    ]


@contextlib.contextmanager
def installed(cloud: Cloud) -> Iterator[None]:
    """From empty moto backends to empty moto backends, with ours in between. One at a time in a process."""
    set_current(cloud)
    with _no_default_images():
        kept = [(each, each.backend) for each, _ in backend_classes()]
        _begin_afresh(backend_classes())
        try:
            prepare()
            yield
        finally:
            _begin_afresh(kept)
            set_current(None)


@contextlib.contextmanager
def _no_default_images() -> Iterator[None]:
    """moto's 1,301 old images, which nobody uses here, take a quarter of a second to load."""
    kept = os.environ.get(DEFAULT_IMAGES)
    os.environ[DEFAULT_IMAGES] = "false"
    try:
        yield
    finally:
        del os.environ[DEFAULT_IMAGES]
        if kept is not None:
            os.environ[DEFAULT_IMAGES] = kept


def _begin_afresh(classes: list[tuple[Any, type]]) -> None:
    """Empty all of moto, and have these backends made of these classes from now on."""
    from moto.core.base_backend import BackendDict

    for backends, wanted in classes:
        backends.backend = wanted
    BackendDict.reset()
    for backends, _ in classes:
        backends.clear()  # resetting Auto Scaling's backend has made EC2's again


def prepare() -> None:
    """Fill the empty backends with what is there on the first day: images, their parameters, a certificate."""
    from localcloud.aws.certificates import provide_certificate
    from localcloud.aws.images import provide_images

    provide_images()
    provide_certificate()
