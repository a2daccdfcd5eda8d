"""Which URLs our CloudWatch answers: moto's; moto looks for this module beside the backend's class."""

from moto.cloudwatch.urls import url_bases as url_bases
from moto.cloudwatch.urls import url_paths as url_paths
