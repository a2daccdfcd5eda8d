"""Which URLs our KMS answers."""

from moto.kms.urls import url_bases as url_bases

from localcloud.aws.kms.responses import LocalKmsResponse

url_paths = {"{0}/$": LocalKmsResponse.dispatch}
