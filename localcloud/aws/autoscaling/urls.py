"""Which URLs our Auto Scaling answers; moto looks for this module beside the backend's class."""

from moto.autoscaling.urls import url_bases as url_bases

from localcloud.aws.autoscaling.responses import LocalAutoScalingResponse

url_paths = {"{0}/$": LocalAutoScalingResponse.dispatch}
