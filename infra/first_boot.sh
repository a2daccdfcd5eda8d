#!/bin/bash
# First boot of a Warmfleet @{role}; written by infra/user_data.py. A failure ends it: then the instance never becomes
# healthy, and its group replaces it. Its output is in /var/log/cloud-init-output.log. A second run changes nothing.
set -euo pipefail
umask 022

@{bundle}

# An image that bake.yml made of this very bundle, for this role, engine and connection, is configured already.
configured=$(cat @{configuration}/configured 2>/dev/null || true)
[ "$configured" = "$wanted" ] || [ -d "$bundle" ] || fetch_bundle
install -m 644 service.env @{configuration}/service.env
[ "$configured" = "$wanted" ] || apply boot.yml
systemctl start --no-block warmfleet-@{role}.service
