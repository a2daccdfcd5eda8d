"""Every control that is asserted, each once."""

from tests.audit.controls import balancers, buckets, groups, instances, messages_and_keys, network, records, roles
from tests.audit.controls.control import Control

MODULES = (buckets, network, instances, groups, balancers, messages_and_keys, roles, records)
CONTROLS: tuple[Control, ...] = tuple(each for module in MODULES for each in module.CONTROLS)
