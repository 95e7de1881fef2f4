"""The examples of the page on labels are read as their settings say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring.config.labels import Labels as Settings
from monitoring.labels.readers import BUILT_IN, GROUP
from tests.labels.readers.labelled import read

PAGE = (Path(__file__).parents[2] / "docs" / "labels.md").read_text()
EXPECTED: dict[str, list[tuple[str, str]]] = {
    "sagemaker": [
        ("order-4711", "1"),
        ("order-4712#0", "0"),
        ("order-4712#1", "1"),
        ("order-4713#0", "1"),
        ("order-4713#1", "0"),
        ("order-4714", "1"),
    ],
    "jsonl": [("order-4711", "late"), ("4712", "in time")],
    "csv": [("order-4711", "1"), ("order-4712", "0")],
}


def _settings(section: str) -> dict[str, Any]:
    found = re.search(r"^```yaml\nlabels:\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert found
    return dict(yaml.safe_load(found[1]))


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_examples(name: str) -> None:
    section = next(part for part in PAGE.split("\n### ") if part.startswith(f"`{name}`\n"))
    data = re.search(r"^```(?:json|csv)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert data
    found = read(data[1].encode(), "multiclass", **_settings(section))
    assert (found.pairs, found.quarantined) == (EXPECTED[name], [])


def test_every_block_is_valid() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == len(BUILT_IN) + 2
    assert all(Settings.model_validate(yaml.safe_load(block)["labels"]) for block in blocks)


def test_every_option_and_format_is_explained() -> None:
    cells = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert cells == set(Settings.model_fields) | set(BUILT_IN)
    assert f'"{GROUP}"' in PAGE
