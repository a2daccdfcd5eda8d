#!/bin/bash
# First boot of a Warmfleet @{role}; written by infra/user_data.py. A failure ends it: then the instance never becomes
# healthy, and its group replaces it. Its output is in /var/log/cloud-init-output.log. A second run changes nothing.
set -euo pipefail
umask 022

# Everything is made in a folder of its own, beside its destination, and moved there when it is complete.
install -d @{configuration} @{releases}
work=$(mktemp -d @{releases}/.first-boot-XXXXXX)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >service.env <<'END'
@{variables}
END
. ./service.env

# Both names are the AWS SDKs' own, and unset on AWS.
metadata=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}
s3=${AWS_ENDPOINT_URL:-https://s3.$WARMFLEET_REGION.amazonaws.com}
release=@{releases}/$WARMFLEET_SERVICE_VERSION

# What curl must keep secret reaches it through its standard input: command lines can be read by every user.
imds() {
    curl -fsS --max-time 5 --retry 5 --retry-all-errors --config - "$metadata/latest/$1" \
        <<<"header = \"X-aws-ec2-metadata-token: $token\""
}

fetch() {
    curl -fsS --connect-timeout 10 --speed-time 30 --retry 5 --retry-all-errors --config - -o "$1" \
        "$s3/$WARMFLEET_BUCKET/@{services}/$WARMFLEET_SERVICE_VERSION/$1" <<<"$signing"
}

install_release() {
    # The role's own credentials sign each request.
    local role signing pip
    role=$(imds meta-data/iam/security-credentials/)
    signing=$(imds "meta-data/iam/security-credentials/$role" | @{python} -c '
import json, sys
keys = json.load(sys.stdin)
print("aws-sigv4 = \"aws:amz:%s:s3\"" % sys.argv[1])
print("user = \"%s:%s\"" % (keys["AccessKeyId"], keys["SecretAccessKey"]))
print("header = \"x-amz-security-token: %s\"" % keys["Token"])
print("header = \"x-amz-content-sha256: UNSIGNED-PAYLOAD\"")
' "$WARMFLEET_REGION")
    fetch manifest.json
    fetch bundle.tar.gz
    @{python} - "$WARMFLEET_SERVICE_VERSION" <<'END'
import hashlib, json, pathlib, sys, tarfile

def verified(path, content, expected):
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        sys.exit("%s is altered: its SHA-256 is %s and should be %s; nothing is installed" % (path, found, expected))
    return content

manifest = json.loads(verified("manifest.json", pathlib.Path("manifest.json").read_bytes(), sys.argv[1]))
bundle = pathlib.Path("bundle.tar.gz")
verified(bundle, bundle.read_bytes(), manifest["archive"]["sha256"])
with tarfile.open(bundle) as archive:
    for entry in manifest["files"]:
        try:
            content = archive.extractfile(entry["path"]).read()
        except (KeyError, AttributeError):
            sys.exit("%s is not a file in bundle.tar.gz; nothing is installed" % entry["path"])
        path = pathlib.Path("bundle", entry["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(verified(entry["path"], content, entry["sha256"]))
END
    # The image has no pip: the bundle's own runs from its wheel.
    pip=$(echo "$work"/bundle/wheels/pip-*.whl)
    (cd bundle && PYTHONPATH=$pip @{python} -m pip install --quiet --isolated --disable-pip-version-check --no-index \
        --find-links wheels --require-hashes --target "$work/release" --requirement requirements/@{role}.txt)
    mv -T release "$release"
}

token=$(curl -fsS --max-time 5 --retry 5 --retry-all-errors -X PUT \
    -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' "$metadata/latest/api/token")
address=$(imds meta-data/local-ipv4)
if [ ! -d "$release" ]; then
    install_release
fi

id warmfleet >/dev/null 2>&1 || useradd --system --home-dir /var/lib/warmfleet --shell /usr/sbin/nologin warmfleet
install -m 644 service.env @{configuration}/service.env
cat >warmfleet.service <<END
[Unit]
Description=Warmfleet @{role}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=60
StartLimitBurst=4

[Service]
User=warmfleet
EnvironmentFile=@{configuration}/service.env
Environment=PYTHONPATH=$release WARMFLEET_BIND_ADDRESS=$address
ExecStart=@{python} -m inference_service.@{role}
Restart=on-failure
RestartSec=1
# The service alone is told to stop: its engine has to finish the answers first.
KillMode=mixed
TimeoutStopSec=@{stop_seconds}
StateDirectory=warmfleet
NoNewPrivileges=yes
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=strict

[Install]
WantedBy=multi-user.target
END
install -m 644 warmfleet.service @{units}/warmfleet.service
systemctl daemon-reload
systemctl enable --now warmfleet.service
