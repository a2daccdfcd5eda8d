# Everything is made in a folder of its own, beside its destination, and moved there when it is complete.
install -d @{configuration} @{home}/bundles
work=$(mktemp -d @{home}/.first-boot-XXXXXX)
trap 'cd /; rm -rf "$work"' EXIT
cd "$work"

cat >service.env <<'END'
@{variables}
END
. ./service.env

# Both names are the AWS SDKs' own, and unset on AWS.
metadata=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}
s3=${AWS_ENDPOINT_URL:-https://s3.$WARMFLEET_REGION.amazonaws.com}
bundle=@{home}/bundles/$WARMFLEET_SERVICE_VERSION
wanted="@{role} ${WARMFLEET_ENGINE:-none} $WARMFLEET_SERVICE_VERSION $WARMFLEET_CONNECTION"

# What curl must keep secret reaches it through its standard input: command lines can be read by every user.
imds() {
    curl -fsS --max-time 5 --retry 5 --retry-all-errors --config - "$metadata/latest/$1" \
        <<<"header = \"X-aws-ec2-metadata-token: $token\""
}

fetch() {
    curl -fsS --connect-timeout 10 --speed-time 30 --retry 5 --retry-all-errors --config - -o "$1" \
        "$s3/$WARMFLEET_BUCKET/@{services}/$WARMFLEET_SERVICE_VERSION/$1" <<<"$signing"
}

# Signed with the role's own credentials; verified, and then moved to where the roles look for it.
fetch_bundle() {
    local token role signing
    token=$(curl -fsS --max-time 5 --retry 5 --retry-all-errors -X PUT \
        -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' "$metadata/latest/api/token")
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
    @{python} - "$WARMFLEET_SERVICE_VERSION" "$work" "$bundle" <<'END'
@{unpack_bundle}
END
}

# A playbook of the bundle, applied by the bundle's own ansible-core.
apply() {
    @{python} - "$bundle" requirements/converge.txt "$work/converge" <<'END'
@{install_release}
END
    (cd "$bundle/ansible" && HOME=$work PYTHONPATH=$work/converge ANSIBLE_HOME=$work/ansible ANSIBLE_NOCOLOR=1 \
        @{python} -m ansible playbook "$1" --connection local --inventory localhost, --extra-vars "
            ansible_python_interpreter=@{python} service_role=@{role} service_version=$WARMFLEET_SERVICE_VERSION
            inference_node_engine=${WARMFLEET_ENGINE:-none} baseline_connection=$WARMFLEET_CONNECTION")
}
