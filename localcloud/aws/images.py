"""The machine images that every account finds in EC2, and the public parameters that name the newest of them.

Two are enough, since no instance here boots one; moto's own 1,301 take a while to load and have neither of these.
https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-public-parameters.html
"""

from dataclasses import dataclass

from localcloud.aws.cloud import ACCOUNT, REGION


@dataclass(frozen=True)
class Image:
    """A public image for x86_64, and the parameter whose value is its id."""

    image_id: str
    parameter: str
    name: str
    description: str
    owner: str  # account id


# https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/
UBUNTU = Image(
    "ami-00000000000002404",
    "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
    "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260101",
    "Canonical, Ubuntu, 24.04, amd64 noble image",
    "099720109477",
)
# https://docs.aws.amazon.com/dlami/latest/devguide/find-dlami-id.html
DEEP_LEARNING = Image(
    "ami-0000000000000d1a1",
    "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
    "Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04) 20260101",
    "Supported EC2 instances: G4dn, G5, G6, Gr6, G6e, P4d, P4de, P5, P5e, P5en, P6-B200",
    "898082745236",
)
IMAGES = (UBUNTU, DEEP_LEARNING)


def provide_images() -> None:
    """Put the images and their parameters into moto's EC2 and SSM of the region; both must be in place already."""
    for image in IMAGES:
        _add_image(image)
        _add_parameter(image)


def _add_image(image: Image) -> None:
    from moto.ec2.models import ec2_backends
    from moto.ec2.models.amis import Ami

    backend = ec2_backends[ACCOUNT][REGION]
    backend.amis[image.image_id] = Ami(
        backend,
        image.image_id,
        name=image.name,
        description=image.description,
        owner_id=image.owner,
        owner_alias="amazon",
        public=True,
        virtualization_type="hvm",
        architecture="x86_64",
        image_location=f"{image.owner}/{image.name}",
        hypervisor="xen",
        root_device_type="ebs",
        root_device_name="/dev/sda1",
        boot_mode="uefi-preferred",
    )


def _add_parameter(image: Image) -> None:
    """Past PutParameter, which refuses names that begin with /aws."""
    from moto.core.utils import utcnow
    from moto.ssm.models import Parameter, ssm_backends

    ssm_backends[ACCOUNT][REGION]._parameters[image.parameter].append(
        Parameter(
            account_id=ACCOUNT,
            name=image.parameter,
            value=image.image_id,
            parameter_type="String",
            description=None,
            allowed_pattern=None,
            keyid=None,
            last_modified_date=utcnow(),
            version=1,
            data_type="aws:ec2:image",
        )
    )
