#!/usr/bin/env bash
# Validates docker-compose.yml and the Dockerfile. Needs no container engine and no network.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=.venv/bin

echo "docker-compose.yml against the compose specification"
"$bin/check-jsonschema" --builtin-schema vendor.compose-spec docker-compose.yml

if command -v docker-compose >/dev/null; then
    echo "docker-compose.yml with $(docker-compose version --short) of docker-compose, with deploy/example.env"
    docker-compose --env-file deploy/example.env config -q
else
    echo "docker-compose is not on PATH: the variables in docker-compose.yml are not checked"
fi

echo "Dockerfile with hadolint"
"$bin/hadolint" Dockerfile

echo "all good"
