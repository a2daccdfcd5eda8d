#!/bin/bash
# Makes an image of a Warmfleet @{role} out of this instance, for `warmfleet image build`; written by infra/user_data.py.
# The last line on the console says how it went; the instance powers itself off either way, and after an hour at any rate.
set -euo pipefail
umask 022

@{bundle}

# Past the logs, which are gone by then, and past whoever would still have to pass it on.
report() {
    rm -rf "$work"
    printf '\n%s\n' "$1" >/dev/console
}

trap 'cd /; report "@{failed} $WARMFLEET_SERVICE_VERSION"; systemctl poweroff' EXIT
systemd-run --quiet --on-active=@{most_seconds} systemctl poweroff
[ -d "$bundle" ] || fetch_bundle
apply bake.yml
trap - EXIT
cd /
report "@{baked} $WARMFLEET_SERVICE_VERSION"
# Services get no time to write down again what bake.yml removed; file systems are unmounted in order: systemctl(1).
systemctl poweroff --force
