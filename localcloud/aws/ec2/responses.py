"""EC2 requests, one at a time, and without moto's slip over user data."""

from typing import Any

from moto.ec2.responses import EC2Response
from moto.ec2.utils import Base64EncodedString, parse_user_data

from localcloud.aws.cloud import current
from localcloud.aws.ec2.endpoints import place_interfaces

# mypy: disallow-subclassing-any=False

CONSOLE, CONSOLE_BYTES = "stdout.log", 64 << 10


class LocalEC2Response(EC2Response):
    """moto's EC2 actions under the cloud's lock."""

    def call_action(self) -> Any:
        with current().lock:
            return super().call_action()

    def get_console_output(self) -> Any:
        """GetConsoleOutput; moto tells of another machine. The last 64 KB, as they are now, as with `Latest` on AWS.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetConsoleOutput.html
        """
        answer = super().get_console_output()
        folder = current().consoles
        log = folder / self._get_param("InstanceId") / CONSOLE if folder else None
        text = log.read_bytes()[-CONSOLE_BYTES:].decode(errors="replace") if log and log.is_file() else ""
        answer.result["Output"] = Base64EncodedString.from_raw_string(text)
        return answer

    def create_launch_template_version(self) -> Any:
        """CreateLaunchTemplateVersion; moto keeps the user data of versions after the first in a form it refuses later.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplateVersion.html
        """
        data = self._get_param("LaunchTemplateData", {})
        data["UserData"] = parse_user_data(data.get("UserData"))
        return super().create_launch_template_version()

    def modify_vpc_endpoint(self) -> Any:
        """ModifyVpcEndpoint; moto takes no PrivateDnsEnabled and leaves the interfaces where they were."""
        answer = super().modify_vpc_endpoint()
        (endpoint,) = self.ec2_backend.describe_vpc_endpoints([self._get_param("VpcEndpointId")])
        private_names = self._get_bool_param("PrivateDnsEnabled")
        if private_names is not None:
            endpoint.private_dns_enabled = private_names
        if endpoint.vpc_endpoint_type == "Interface":
            place_interfaces(self.ec2_backend, endpoint)
        return answer
