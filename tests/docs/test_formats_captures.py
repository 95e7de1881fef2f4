from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from monitoring.capture.quarantine import Quarantined
from monitoring.capture.readers import reader
from monitoring.capture.schema import FEATURE_PREFIX
from monitoring.config import ModelConfig
from tests.capture.readers.recorded import canonical, read

PAGE = (Path(__file__).parents[2] / "docs" / "formats-captures.md").read_text()
SECTIONS = [part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE) if "```json" in part]


def block(section: str, language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.mark.parametrize("section", SECTIONS, ids=[part.splitlines()[0] for part in SECTIONS])
def test_the_example_is_read_as_its_settings_say(section: str) -> None:
    settings = yaml.safe_load(block(section, "yaml"))
    columns = {"features": {"amount": "numeric", "country": "categorical"}}
    config = ModelConfig.model_validate({"name": "toy", **settings, "columns": columns})
    (name,) = config.capture.format
    data = json.dumps(json.loads(block(section, "json"))).encode() + b"\n"
    assert reader(name).knows("key", data)
    found = [item for item in read(name, data) if not isinstance(item, Quarantined) or pytest.fail(item.detail)]
    table = canonical(found).table
    assert set(table["score"].to_pylist()) == {0.27}
    assert set(table[f"{FEATURE_PREFIX}amount"].to_pylist()) == {12.5}
    assert set(table[f"{FEATURE_PREFIX}country"].to_pylist()) == {"at"}
    assert {f"{moment:%Y-%m-%d %H:%M:%S}" for moment in table["event_time"].to_pylist()} == {"2026-03-01 10:20:30"}


def test_every_format_has_a_section() -> None:
    formats = [yaml.safe_load(block(section, "yaml"))["capture"]["format"] for section in SECTIONS]
    assert formats == ["sagemaker", "sagemaker-batch", "azureml", "kserve", "cloudevents", "bentoml"]
