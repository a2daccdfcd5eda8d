"""Interface endpoints that keep one network interface in each of their subnets, also when those change.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcEndpoint.html
"""

from typing import Any

from moto.ec2.utils import random_private_ip


def place_interfaces(backend: Any, endpoint: Any) -> None:
    """Make and remove network interfaces until each subnet of the endpoint has one."""
    present = {backend.enis[each].subnet.id: each for each in endpoint.network_interface_ids if each in backend.enis}
    for subnet_id in [each for each in present if each not in endpoint.subnet_ids]:
        backend.enis.pop(present.pop(subnet_id))
    for subnet_id in [each for each in endpoint.subnet_ids if each not in present]:
        present[subnet_id] = backend.create_network_interface(subnet_id, random_private_ip()).id
    endpoint.network_interface_ids = list(present.values())
