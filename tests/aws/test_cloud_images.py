"""Images are found as on AWS: a public parameter names one, and EC2 has it."""

import re

import pytest

from localcloud.aws.images import IMAGES, Image
from localcloud.aws.in_process import local_aws

UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
DEEP_LEARNING = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"


def test_public_parameters_name_images_that_ec2_has():
    with local_aws("127.9") as aws:
        found = aws.client("ssm").get_parameters(Names=[UBUNTU, DEEP_LEARNING])
        assert found["InvalidParameters"] == []
        ids = [each["Value"] for each in found["Parameters"]]
        images = aws.client("ec2").describe_images(ImageIds=ids)["Images"]
        assert len({each["ImageId"] for each in images}) == 2
        facts = {(i["Architecture"], i["State"], i["RootDeviceType"], i["Public"]) for i in images}
        assert facts == {("x86_64", "available", "ebs", True)}


def test_each_new_cloud_has_them_once():
    for _ in range(2):
        with local_aws("127.9") as aws:
            answer = aws.client("ssm").get_parameter(Name=UBUNTU)["Parameter"]
            assert (answer["Type"], answer["Version"], answer["DataType"]) == ("String", 1, "aws:ec2:image")
            assert len(aws.client("ec2").describe_images()["Images"]) == len(IMAGES)


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.image_id)
def test_image_ids_look_like_those_of_aws(image: Image):
    assert re.fullmatch(r"ami-[0-9a-f]{17}", image.image_id)
