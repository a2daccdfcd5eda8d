"""What `pulumi up` runs: read the settings, build, export."""

import pulumi

from infra import configuration, stack

for name, value in stack.build(configuration.read()).items():
    pulumi.export(name, value)
