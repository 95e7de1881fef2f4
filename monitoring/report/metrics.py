"""Evidently metrics whose values were computed elsewhere, over the whole population.

The values travel in `additional_data`, never in the fields of a metric: fields make its id, and another value
every day would be another metric every day.
"""

from __future__ import annotations

import functools
import json
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitoring.report import drawing
from monitoring.report.parts import Part, check_key

_TABLE = "model_monitor"
_STATUS = {"ok": "SUCCESS", "info": "SUCCESS", "warn": "WARNING", "fail": "FAIL", "unknown": "ERROR"}
_THEIRS = r"(.*[/\\])?(evidently|litestar|sklearn|scipy|numpy|pandas|plotly)\b"


@contextmanager
def their_warnings_ignored() -> Iterator[None]:
    """Ignore what Evidently and the libraries that it calls warn about in their own code."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning, RuntimeWarning, UserWarning, SyntaxWarning):
            warnings.filterwarnings("ignore", category=category, module=_THEIRS)
        yield


def run_metrics(parts: dict[str, Part], timestamp: datetime) -> Any:
    """An Evidently snapshot of all parts.

    Args:
        parts: The parts by key, in the order in which they are shown.
        timestamp: The snapshot's time.
    """
    with their_warnings_ignored():
        import pandas as pd
        from evidently import DataDefinition, Dataset, Report

        table = pd.DataFrame({"part": list(parts), "content": [json.dumps(part) for part in parts.values()]})
        given = Dataset.from_pandas(table, data_definition=DataDefinition(unknown_columns=["part", "content"]))
        empty = Dataset.from_pandas(pd.DataFrame({"_": [0.0]}))
        report = Report([_metric(key) for key in parts], include_tests=True)
        return report.run(empty, None, additional_data={_TABLE: given}, timestamp=timestamp)


def _metric(key: str) -> Any:
    kind, name = key.split(":", 1)
    if kind != "check":
        return _types().view(part=key)
    check, reference, subject = name.split(":", 2)
    return _types().check(check=check, subject=subject, reference=reference)


def _part(context: Any, key: str) -> Part:
    table = context.additional_data[_TABLE].as_dataframe()
    found: Part = json.loads(table.loc[table["part"] == key, "content"].iloc[0])
    return found


def _value(part: Part) -> float:
    return math.nan if part["value"] is None else float(part["value"])


def _widget(key: str, part: Part) -> Any:
    """How a part looks: a table, or a figure over half the page or all of it."""
    from evidently.legacy.renderers.html_widgets import GraphData, WidgetSize, plotly_graph, table_data

    if key.startswith("table:"):
        return table_data(column_names=part["header"], data=part["rows"], title=part["title"])
    draw = {
        "series:": drawing.series,
        "maturity:": drawing.maturity,
        "history:": drawing.history,
        "drift:": drawing.distribution,
        "chart:score": drawing.score,
    }
    figure = next((draw[start] for start in draw if key.startswith(start)), drawing.hours)(part)
    size = WidgetSize.FULL if part.get("wide") else WidgetSize.HALF
    return plotly_graph(graph_data=GraphData(part["title"], *figure), size=size)


@dataclass(frozen=True)
class _Types:
    """The metric classes."""

    check: Any
    view: Any


@functools.cache
def _types() -> _Types:
    """The metric classes; defined here, since they need Evidently's base classes."""
    from evidently.core.metric_types import MetricTest, MetricTestResult, SingleValueCalculation, SingleValueMetric
    from evidently.legacy.tests.base_test import TestStatus

    class MonitorTest(MetricTest):  # type: ignore[misc]
        """Says what the check said: Evidently's tests cannot weigh an interval, or two limits."""

        part: str

        def run(self, context: Any, metric: Any, value: Any) -> Any:  # noqa: ARG002
            part = _part(context, self.part)
            return MetricTestResult(
                id="model_monitor",
                name=part["title"],
                description=part["message"],
                status=TestStatus(_STATUS[part["status"]]),
                metric_config=metric.to_metric_config(),
                test_config=self.dict(),
            )

        def to_test(self) -> Any:
            return self.run

    class MonitorCheck(SingleValueMetric):  # type: ignore[misc]
        """What a check measured, and what it says."""

        check: str
        subject: str = ""
        reference: str = ""

        def _default_tests(self, context: Any) -> list[Any]:  # noqa: ARG002
            test = MonitorTest(part=check_key(self.check, self.subject, self.reference))
            return [test.bind_single(self.get_fingerprint())]

    class MonitorView(SingleValueMetric):  # type: ignore[misc]
        """A number with a figure or table around it."""

        part: str

    class CheckCalculation(SingleValueCalculation[MonitorCheck]):  # type: ignore[misc]
        def display_name(self) -> str:
            return " ".join(filter(None, (self.metric.check, self.metric.subject, self.metric.reference)))

        def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:  # noqa: ARG002
            key = check_key(self.metric.check, self.metric.subject, self.metric.reference)
            result = self.result(_value(_part(context, key)))
            result.widget = []
            return result

    class ViewCalculation(SingleValueCalculation[MonitorView]):  # type: ignore[misc]
        def display_name(self) -> str:
            return str(self.metric.part)

        def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:  # noqa: ARG002
            part = _part(context, self.metric.part)
            result = self.result(_value(part))
            result.widget = [_widget(self.metric.part, part)]
            return result

    return _Types(MonitorCheck, MonitorView)
