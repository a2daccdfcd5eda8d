"""Which URLs our CloudWatch Logs answers."""

from moto.logs.urls import url_bases as url_bases

from localcloud.aws.logs.responses import LocalLogsResponse

url_paths = {"{0}/$": LocalLogsResponse.dispatch}
