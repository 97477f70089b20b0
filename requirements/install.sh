#!/bin/sh
# Make .venv and install the locked set `requirements/<set>.txt` and graphship itself into it.
# Usage: install.sh PYTHON SET
set -eu
python=$1 set=$2
unset PYTHONDONTWRITEBYTECODE

with_uv() {
  command -v uv >/dev/null 2>&1 &&
    uv venv --quiet --allow-existing --python "$python" .venv &&
    uv pip install --quiet --python .venv --compile-bytecode --require-hashes -r "requirements/$set.txt" &&
    uv pip install --quiet --python .venv --compile-bytecode --no-deps --no-build-isolation -e .
}

with_pip() {
  "$python" -m venv .venv &&
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "requirements/$set.txt" &&
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "graphship needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python" >&2
  exit 1
}
echo "setting up .venv with the $set set: once, a minute or two" >&2
with_uv || with_pip # uv keeps its own list of certificates; where a proxy has another, pip still works
touch ".venv/.$set"
