"""Great Expectations: nulls, mean, deviation, range, quantiles and distinct values of every column; no drift."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from benchmarks.peers.common import Frames
from benchmarks.task import Clock

WIDE = {"min_value": -1e12, "max_value": 1e12}
QUANTILES = {"quantiles": [0.01, 0.25, 0.5, 0.75, 0.99], "value_ranges": [[-1e12, 1e12]] * 5}


def run(folder: str, reference: str) -> dict[str, Any]:
    import great_expectations as gx
    import great_expectations.expectations as gxe

    frames = Frames.load(folder, reference)
    prepare, window = Clock(), Clock()
    with prepare.running():
        context = gx.get_context(mode="ephemeral")
        suite = context.suites.add(gx.ExpectationSuite(name="suite"))
        for name in frames.features:
            suite.add_expectation(gxe.ExpectColumnValuesToNotBeNull(column=name, mostly=0.5))
            suite.add_expectation(gxe.ExpectColumnUniqueValueCountToBeBetween(column=name, min_value=0))
        for name in frames.numeric:
            suite.add_expectation(gxe.ExpectColumnMeanToBeBetween(column=name, **WIDE))
            suite.add_expectation(gxe.ExpectColumnStdevToBeBetween(column=name, min_value=0, max_value=1e12))
            suite.add_expectation(gxe.ExpectColumnMinToBeBetween(column=name, **WIDE))
            suite.add_expectation(gxe.ExpectColumnMaxToBeBetween(column=name, **WIDE))
            suite.add_expectation(gxe.ExpectColumnQuantileValuesToBeBetween(column=name, quantile_ranges=QUANTILES))
        asset = context.data_sources.add_pandas("source").add_dataframe_asset("asset")
        batch = asset.add_batch_definition_whole_dataframe("batch")
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name="validation", data=batch, suite=suite)
        )
    answer: object = None
    with window.running():
        try:
            answer = bool(definition.run(batch_parameters={"dataframe": frames.current}).success)
        except TypeError as error:  # all is computed, and then a NumPy value does not become JSON
            answer = f"computed, then {error}"
    return frames.result(prepare, window, version("great-expectations"), answer)
