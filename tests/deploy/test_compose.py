"""The container files are valid, ask for their secrets, and publish nothing beyond this machine."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / "deploy" / "example.env"
MAKE_ENV = ROOT / "deploy" / "make_env.py"
SECRETS = {
    "ADMIN_PASSWORD",
    "AIRFLOW_API_SECRET_KEY",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_JWT_SECRET",
    "POSTGRES_PASSWORD",
    "S3_ACCESS_KEY",
    "S3_SECRET_KEY",
}
ONE_SHOT = {"init"}
needs_docker_compose = pytest.mark.skipif(
    shutil.which("docker-compose") is None, reason="docker-compose is not on PATH"
)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run in the repository, without variables of ours that could stand in for a missing one."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def tool(name: str) -> Path:
    """A command that was installed beside this interpreter."""
    return Path(sysconfig.get_path("scripts")) / name


def variables(path: Path) -> dict[str, str]:
    """The variables of an env file."""
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """The services, with anchors merged and variables as they are written."""
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
    return loaded


def test_compose_file_follows_the_specification() -> None:
    result = run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert result.returncode == 0, result.stdout + result.stderr


def test_dockerfile_passes_hadolint() -> None:
    result = run(tool("hadolint"), "Dockerfile")
    assert result.returncode == 0, result.stdout + result.stderr


@needs_docker_compose
def test_docker_compose_accepts_the_file_with_the_example() -> None:
    result = run("docker-compose", "--env-file", EXAMPLE, "config", "-q")
    assert result.returncode == 0, result.stderr


@needs_docker_compose
@pytest.mark.parametrize("missing", sorted(SECRETS))
def test_docker_compose_refuses_a_missing_secret(missing: str, tmp_path: Path) -> None:
    env_file = tmp_path / "incomplete.env"
    env_file.write_text("".join(f"{k}={v}\n" for k, v in variables(EXAMPLE).items() if k != missing))
    result = run("docker-compose", "--env-file", env_file, "config", "-q")
    assert result.returncode != 0
    assert missing in result.stderr
    assert "run make env" in result.stderr


def test_every_secret_is_required_wherever_it_is_used() -> None:
    text = COMPOSE.read_text()
    used = re.findall(r"(?<!\$)\$\{(\w+)([^}]*)\}", text)
    required = {name for name, rest in used if rest == ":?run make env"}
    optional = {name for name, rest in used if rest != ":?run make env"}
    assert required == SECRETS
    # columns are hashed only where a model says so
    assert optional == {"ADMIN_USERNAME", "ADMIN_EMAIL", "MODEL_MONITOR_HASH_KEY"}
    assert not re.search(r"(?<!\$)\$[A-Za-z_]", text), "a variable without braces cannot be required"


def test_no_secret_is_written_into_the_file(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for key, value in service["environment"].items():
            if re.search(r"(SECRET|PASSWORD|FERNET_KEY|SECRET_KEY|ACCESS_KEY)", key):
                assert re.fullmatch(r"\$\{\w+:\?run make env\}", value), f"{name}: {key}"


def test_ports_are_published_on_the_loopback_address_only(services: dict[str, dict[str, Any]]) -> None:
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert ports == {
        "api-server": ["127.0.0.1:8080:8080"],
        "reports": ["127.0.0.1:8090:8090"],
        "seaweedfs": ["127.0.0.1:8333:8333"],
    }
    assert not [name for name, service in services.items() if "network_mode" in service]


def test_every_long_running_service_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    assert {name for name, service in services.items() if "healthcheck" not in service} == ONE_SHOT
    assert {name for name, service in services.items() if service["restart"] == "no"} == ONE_SHOT


def test_the_scheduler_waits_for_the_api_server(services: dict[str, dict[str, Any]]) -> None:
    assert services["scheduler"]["depends_on"]["api-server"] == {"condition": "service_healthy"}
    assert services["api-server"]["depends_on"]["init"] == {"condition": "service_completed_successfully"}


def test_the_connection_is_read_by_airflow_as_written(services: dict[str, dict[str, Any]]) -> None:
    text = services["scheduler"]["environment"]["AIRFLOW_CONN_MODEL_MONITOR_S3"]
    connection = json.loads(re.sub(r"\$\{(\w+)[^}]*\}", r"\1", text))
    assert (connection["conn_type"], connection["login"], connection["password"]) == (
        "aws",
        "S3_ACCESS_KEY",
        "S3_SECRET_KEY",
    )
    assert connection["extra"]["endpoint_url"] == services["reports"]["environment"]["AWS_ENDPOINT_URL_S3"]


def test_the_report_pages_know_no_secret_of_airflow(services: dict[str, dict[str, Any]]) -> None:
    assert not [key for key in services["reports"]["environment"] if key.startswith("AIRFLOW")]


def test_the_image_installs_from_the_lock_and_runs_as_a_user() -> None:
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    installs = [line for line in lines if "pip install" in line]
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    assert [line for line in lines if line.startswith("USER")] == ["USER 50000:50000"]


def test_the_example_holds_placeholders_for_every_secret() -> None:
    example = variables(EXAMPLE)
    assert set(example) == SECRETS
    assert all(value.startswith("placeholder-not-") for value in example.values())


def test_make_env_writes_fresh_secrets_for_the_owner_only(tmp_path: Path) -> None:
    first, second = tmp_path / "first.env", tmp_path / "second.env"
    for path in (first, second):
        result = run(sys.executable, MAKE_ENV, path)
        assert result.returncode == 0, result.stderr
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ours, theirs = variables(first), variables(second)
    assert set(ours) == SECRETS
    assert not set(ours.values()) & set(theirs.values())
    assert len(base64.urlsafe_b64decode(ours["AIRFLOW_FERNET_KEY"])) == 32
    assert len(ours["AIRFLOW_JWT_SECRET"]) >= 64
    assert all(re.fullmatch(r"[\w=-]{16,}", value) for value in ours.values())


def test_make_env_refuses_to_overwrite(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("KEEP=me\n")
    result = run(sys.executable, MAKE_ENV, path)
    assert result.returncode == 1
    assert "already there" in result.stderr
    assert path.read_text() == "KEEP=me\n"
