from __future__ import annotations

import math
import tomllib
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any, cast

import pytest

from monitoring.config.added_checks import GROUP
from monitoring.config.checks import CheckRule
from monitoring.judge import Code, Finding, Status
from monitoring.judge.context import Context
from monitoring.measure import Measurement
from monitoring.sagemaker.checks import NUMBER_CHECKS, recall, rmse
from tests.conftest import ROOT


def context(rows: int = 500, *, labels: object = "some", **numbers: float | None) -> Context:
    found = {name: Measurement(name, value, rows, "low", name) for name, value in numbers.items()}
    evidence = SimpleNamespace(trailing_labelled=rows, windows=7, trailing_realised=found, trailing_numbers={})
    return cast("Context", SimpleNamespace(evidence=evidence, config=SimpleNamespace(labels=labels)))


def said(check: Any, of: Context, **rule: Any) -> Finding:
    found = list(check.evaluate(of, CheckRule(severity="warn", **rule)))
    assert len(found) == 1
    return cast("Finding", found[0])


@pytest.mark.parametrize(("value", "status"), [(0.49, Status.WARN), (0.5, Status.OK)])
def test_a_share_is_bad_below_its_limit(value: float, status: Status) -> None:
    found = said(recall, context(recall=value), limit=0.5)
    assert (found.check, found.status, found.limit, found.windows) == ("recall", status, 0.5, 7)


@pytest.mark.parametrize(("value", "code"), [(3.1, Code.ERROR_LARGER), (3.0, Code.WITHIN_LIMITS)])
def test_an_error_is_bad_above_its_limit(value: float, code: Code) -> None:
    assert said(rmse, context(rmse=value), limit=3.0).code is code


def test_what_cannot_be_said_is_unknown() -> None:
    assert said(recall, context(rows=10, recall=0.1), limit=0.5).code is Code.TOO_FEW_LABELS
    assert said(recall, context(recall=None), limit=0.5).status is Status.UNKNOWN
    assert said(recall, context(), limit=0.5).message == "recall is not defined on these rows."
    assert said(recall, context(recall=0.1)).message == "recall needs a number as its limit."
    assert not list(recall.evaluate(context(labels=None, recall=0.1), CheckRule(severity="warn", limit=0.5)))


@pytest.mark.parametrize("check", NUMBER_CHECKS.values(), ids=lambda check: check.name)
def test_without_a_limit_of_ones_own_nothing_is_too_bad(check: Any) -> None:
    assert math.isinf(check.rule.limit)


def test_each_is_an_entry_point_of_its_name() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][GROUP]
    loaded = {name: EntryPoint(name, place, GROUP).load() for name, place in declared.items()}
    assert {name: check for name, check in loaded.items() if name in NUMBER_CHECKS} == NUMBER_CHECKS
