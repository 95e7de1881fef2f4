"""The block `incidents`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from monitoring.config.incidents import Incidents


def test_what_is_not_given_keeps_its_default() -> None:
    found = Incidents.model_validate({"confirm": {"warn": [3, 5]}})
    assert (found.confirm.fail, found.confirm.warn, found.resolve) == ((1, 1), (3, 5), 2)
    assert found.memory == 5
    assert Incidents().memory == 3
    assert Incidents(resolve=7).memory == 7


@pytest.mark.parametrize(
    "given",
    [
        {"confirm": {"warn": [3, 2]}},
        {"confirm": {"fail": [0, 2]}},
        {"confirm": {"fail": [1, 1001]}},
        {"confirm": {"info": [1, 1]}},
        {"resolve": 0},
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Incidents.model_validate(given)
