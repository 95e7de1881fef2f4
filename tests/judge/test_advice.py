"""Whoever is woken is told what to do first."""

from __future__ import annotations

import pytest

from monitoring.judge import Code
from monitoring.judge.advice import ADVICE, advice


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.WITHIN_LIMITS])
def test_every_code_has_one(code: Code) -> None:
    assert advice(code).endswith(".")


def test_what_is_within_its_limits_needs_none() -> None:
    assert Code.WITHIN_LIMITS not in ADVICE
    assert advice(Code.WITHIN_LIMITS) == ""
