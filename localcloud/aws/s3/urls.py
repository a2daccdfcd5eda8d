"""Which URLs our S3 answers: moto's, by our class."""

from moto.s3.urls import url_bases as url_bases
from moto.s3.urls import url_paths as _moto_paths

from localcloud.aws.s3.responses import LocalS3Response

url_paths = {path: getattr(LocalS3Response, handler.__name__) for path, handler in _moto_paths.items()}
