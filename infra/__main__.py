"""What `pulumi up` runs: read the settings, build, export."""

import pulumi

from infra import settings, stack

for name, value in stack.build(settings.read()).items():
    pulumi.export(name, value)
