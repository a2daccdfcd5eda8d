#!/bin/bash
# First boot of a Warmfleet $role; written by infra/user_data.py. A failure ends it: then the instance never becomes
# healthy, and its group replaces it. Its output is in /var/log/cloud-init-output.log.
set -euo pipefail
umask 022

install -d /etc/warmfleet
cat >/etc/warmfleet/service.env <<'END'
$variables
END
. /etc/warmfleet/service.env

metadata=$${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}
s3=$${AWS_ENDPOINT_URL:-https://s3.$$WARMFLEET_REGION.amazonaws.com}
release=/opt/warmfleet/$$WARMFLEET_SERVICE_VERSION

imds() {
    curl -fsS --max-time 5 --retry 5 --retry-all-errors -H "X-aws-ec2-metadata-token: $$token" "$$metadata/latest/$$1"
}

# The role's own credentials sign each request; they stay in this process and off its command line.
fetch() {
    curl -fsS --retry 5 --retry-all-errors --connect-timeout 10 --config - -o "$$2" \
        "$$s3/$$WARMFLEET_BUCKET/$services/$$WARMFLEET_SERVICE_VERSION/$$1" <<<"$$signing"
}

token=$$(curl -fsS --max-time 5 --retry 5 --retry-all-errors -X PUT \
    -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' "$$metadata/latest/api/token")
address=$$(imds meta-data/local-ipv4)
role=$$(imds meta-data/iam/security-credentials/)
signing=$$(imds "meta-data/iam/security-credentials/$$role" | python3 -c '
import json, sys
keys = json.load(sys.stdin)
print("aws-sigv4 = \"aws:amz:%s:s3\"" % sys.argv[1])
print("user = \"%s:%s\"" % (keys["AccessKeyId"], keys["SecretAccessKey"]))
print("header = \"x-amz-security-token: %s\"" % keys["Token"])
print("header = \"x-amz-content-sha256: UNSIGNED-PAYLOAD\"")
' "$$WARMFLEET_REGION")

work=$$(mktemp -d)
trap 'rm -rf "$$work"' EXIT
cd "$$work"
fetch manifest.json manifest.json
echo "$$WARMFLEET_SERVICE_VERSION  manifest.json" | sha256sum --check --quiet --strict
fetch bundle.tar.gz bundle.tar.gz
listed() {
    python3 -c '
import json, sys
manifest = json.load(open("manifest.json"))
for entry in [manifest["archive"]] if sys.argv[1] == "archive" else manifest["files"]:
    print(entry["sha256"], entry["path"], sep="  ")
' "$$1"
}
listed archive | sha256sum --check --quiet --strict
mkdir bundle
tar --extract --file bundle.tar.gz --directory bundle --no-same-owner
listed files | (cd bundle && sha256sum --check --quiet --strict)

# The image has no pip: the bundle's own runs from its wheel.
pip=$$(echo "$$PWD"/bundle/wheels/pip-*.whl)
rm -rf "$$release"
(cd bundle && PYTHONPATH=$$pip python3 -m pip install --quiet --isolated --disable-pip-version-check \
    --no-index --find-links wheels --require-hashes --target "$$release" --requirement requirements/$role.txt)

id warmfleet >/dev/null 2>&1 || useradd --system --home-dir /var/lib/warmfleet --shell /usr/sbin/nologin warmfleet
cat >/etc/systemd/system/warmfleet.service <<END
[Unit]
Description=Warmfleet $role
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=60
StartLimitBurst=4

[Service]
User=warmfleet
EnvironmentFile=/etc/warmfleet/service.env
Environment=PYTHONPATH=$$release WARMFLEET_BIND_ADDRESS=$$address
ExecStart=/usr/bin/python3 -m inference_service.$role
Restart=on-failure
RestartSec=1
TimeoutStopSec=$stop_seconds
StateDirectory=warmfleet
NoNewPrivileges=yes
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=strict

[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --now warmfleet.service
