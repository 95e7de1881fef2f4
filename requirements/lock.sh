#!/usr/bin/env bash
# Resolve pyproject.toml into hash-locked files that name no index: one large set, and two parts of it.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$1
lock() {
  "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
    --no-annotate pyproject.toml "$@"
}
# Evidently 0.7.23 was measured on pandas 2.3; pandas 3.0 is allowed but not what we test on
constraints=$(mktemp)
trap 'rm -f "$constraints"' EXIT
echo 'pandas<3' >"$constraints"
lock --all-extras -c "$constraints" -o requirements/dev.txt
lock --extra demo -c requirements/dev.txt -o requirements/demo.txt
lock --extra deploy -c requirements/dev.txt -o requirements/deploy.txt
# what installs the others: only uv itself
awk '/^[a-z0-9]/{keep=/^uv==/} keep' requirements/dev.txt >requirements/uv.txt
