"""Which URLs our EC2 answers; moto looks for this module beside the backend's class."""

from moto.ec2.urls import url_bases as url_bases

from localcloud.aws.ec2.responses import LocalEC2Response

url_paths = {"{0}/": LocalEC2Response.dispatch}
