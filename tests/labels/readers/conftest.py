"""Small objects are read by Arrow here too, so that it can be held against Python."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitoring.labels.readers import json_lines


@pytest.fixture(autouse=True, scope="package")
def arrow_reads_everything() -> Iterator[None]:
    """Lift the least size of what Arrow reads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "WORTHWHILE", 0)
        yield
