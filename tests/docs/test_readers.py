"""The reader of the page: installed as a package, found by its entry point, used by the pipeline."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring import pipeline
from monitoring.capture.readers import GROUP, reader
from monitoring.config import ModelConfig
from monitoring.engine.windows import load_records
from monitoring.errors import ConfigError
from monitoring.monitor import Monitor
from monitoring.store.local import LocalStore

PAGE = Path(__file__).parents[2] / "docs" / "readers.md"


@pytest.fixture
def blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The page's blocks by the file that their first line names, and its package as if it were installed."""
    found = dict(re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    site = tmp_path / "site"
    (site / "vase_logs").mkdir(parents=True)
    (site / "vase_logs/__init__.py").write_text(found["vase_logs/__init__.py"])
    about = site / "vase_logs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: vase-logs\nVersion: 1.0\n")
    [point] = re.findall(rf'\[project.entry-points."{GROUP}"\]\n(.*)\n', found["pyproject.toml"])
    name, value = point.split(" = ")
    (about / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {value.strip(chr(34))}\n")
    monkeypatch.syspath_prepend(str(site))
    return found


def test_the_reader_of_the_page(blocks: dict[str, str], tmp_path: Path) -> None:
    config = ModelConfig.model_validate(yaml.safe_load(blocks["models/vases.yaml"]))
    monitor = Monitor(LocalStore(tmp_path / "store"), config)
    lines = b"2025-03-01T08:15:30Z|order-1|amount=17.2 country=at|0.27\n2025|x|y\n2025-03-01|order-2|amount=1|0.5\n"
    more = b"".join(b"2025-03-01T09:00:00+01:00|order-%d|amount=2 country=ch|0.9\n" % i for i in range(3, 9))
    monitor.store.put("captures/vases/2025/03/01/08/a.log", lines + more + b"today|order-9|a=1|0.1")
    [verdict] = pipeline.run_window(monitor, monitor.window("2025-03-01"))
    records: Any = load_records(monitor, monitor.window("2025-03-01"))
    assert records["event_id"].to_pylist() == ["order-1", *(f"order-{i}" for i in range(3, 9))]
    assert records["feature:amount"].to_pylist() == [17.2] + [2.0] * 6
    assert verdict.accounting["records"]["quarantined"] == {
        "bad_event_time": 1,
        "bad_payload": 1,
        "missing_field": 1,
    }


def test_what_is_not_installed_is_refused_with_what_is(blocks: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"no reader for the format 'vases'; allowed: sagemaker, .*, csv, vase;"):
        reader("vases")
    assert reader("vase").read.__module__ == "vase_logs"
    sys.modules.pop("vase_logs")
