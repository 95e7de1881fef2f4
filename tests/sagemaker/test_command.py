from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from monitoring.cli.sagemaker import import_sagemaker
from tests.conftest import FEATURES
from tests.sagemaker.test_stored import toy_statistics
from tests.sagemaker.written import constraints_file


@pytest.fixture
def folder(tmp_path: Path, settings: dict[str, Any]) -> Path:
    """A directory with the toy model, its store, and SageMaker's files."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models/toy.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "statistics.json").write_bytes(toy_statistics())
    (tmp_path / "constraints.json").write_bytes(
        constraints_file({"name": "age", "inferred_type": "Integral", "completeness": 1.0})
    )
    return tmp_path


def invoke(folder: Path, *arguments: str) -> Result:
    where = {"store": str(folder / "store"), "models": folder / "models"}
    return CliRunner().invoke(import_sagemaker, ["toy", *arguments], obj=where, standalone_mode=False)


def test_the_blocks_are_yaml(folder: Path) -> None:
    result = invoke(folder, "--constraints", str(folder / "constraints.json"))
    assert result.return_value == 0
    assert yaml.safe_load(result.stdout)["checks"]["nulls"] == {"limit": 0.0}
    assert "# Not carried over" in result.stdout


def test_a_baseline_is_written_only_when_asked_for(folder: Path) -> None:
    statistics = ("--statistics", str(folder / "statistics.json"))
    found = json.loads(invoke(folder, *statistics, "--json").stdout)
    assert (list(found["features"]), found["baseline"]) == ([*FEATURES], None)
    made = json.loads(invoke(folder, *statistics, "--write-baseline", "--version", "v1", "--json").stdout)
    assert made["baseline"] == "v1"
    assert (folder / "store/toy/baseline/v1/baseline.json").exists()
    assert invoke(folder, *statistics, "--write-baseline", "--version", "v2").return_value == 3
    second = invoke(folder, *statistics, "--write-baseline", "--version", "v2", "--valid-from", "2024-02-01")
    assert second.return_value == 0
    assert "baseline v2" in second.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no file is named"),
        (["--constraints", "x", "--write-baseline"], "needs --statistics"),
        (["--constraints", "not/there.json"], "not/there.json"),
        (["--statistics", "STATISTICS", "--write-baseline", "--valid-from", "soon"], "soon is no date"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(folder: Path, arguments: list[str], says: str) -> None:
    named = [str(folder / "statistics.json") if item == "STATISTICS" else item for item in arguments]
    result = invoke(folder, *named)
    assert result.return_value == 3
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
