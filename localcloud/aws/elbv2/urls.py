"""Which URLs our load balancing answers. The classic load balancers share them, told apart by the API's version."""

from typing import Any

from moto.elb.urls import api_version_elb_backend
from moto.elb.urls import url_bases as url_bases

from localcloud.aws.elbv2.responses import LocalELBv2Response

VERSION = "2015-12-01"


def by_version(*args: Any, **kwargs: Any) -> Any:
    if args[0].values.get("Version") == VERSION:
        return LocalELBv2Response.dispatch(*args, **kwargs)
    return api_version_elb_backend(*args, **kwargs)


url_paths = {"{0}/$": by_version}
