"""How labels have come in past windows: what is to be expected of a window at its age."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import numpy as np

from monitoring.engine.intake import visible_runs
from monitoring.engine.label_join import JoinReader
from monitoring.engine.windows import profiled_by
from monitoring.measure.basis import Basis
from monitoring.measure.maturity import MaturityCurve, Observed, maturity_curve
from monitoring.monitor import Monitor
from monitoring.profile.delays import DelayProfile
from monitoring.window import Window

# So many windows tell how labels come
WINDOWS = 60
_HOUR = timedelta(hours=1)
# The least completeness that is believed; and how far classes have to differ from the mean to differ at all
_LEAST, _DEVIATIONS, _LEAST_DIFFERENCE = 0.1, 3.5, 0.02


def delays_of(monitor: Monitor, joins: JoinReader, window: Window, until: Window, basis: Basis) -> DelayProfile:
    """How long after a window its labels came, as far as the run of `until` knew.

    Args:
        monitor: The model.
        joins: What runs have joined.
        window: The window.
        until: The run whose knowledge counts.
        basis: What says which classes there are.
    """
    profile = DelayProfile.empty(basis.groups)
    found = (item for run, item in joins.of_window(window).items() if run <= until)
    for label, bins in ((label, bins) for item in found for label, bins in item.delays.items()):
        group = _group(monitor, label)
        place = profile.groups.index(group) if group in profile.groups else len(profile.groups)
        for lag, count in bins.items():
            profile.counts[lag, place] += count
    rows = sum(profiled_by(monitor, window, run) for run in visible_runs(monitor, window, until))
    return DelayProfile(profile.groups, max(rows, profile.labelled), profile.counts)


def _group(monitor: Monitor, label: str) -> str:
    columns = monitor.config.columns
    if columns.task == "binary":
        return "positive" if label == columns.positive else "negative"
    return label


def age_of(monitor: Monitor, window: Window, until: Window) -> float:
    """Hours from a window's end to what the run of `until` knew of its labels: none that comes after its horizon."""
    last = min(until, monitor.final_epoch(window))
    return max((monitor.as_of(last) - window.end) / _HOUR, 0.0)


def past_labels(
    monitor: Monitor, joins: JoinReader, window: Window, until: Window, basis: Basis
) -> MaturityCurve | None:
    """How labels have come in the windows before one, as far as the run of `until` knew; None without any.

    Only windows that have been read by then count, so that a window that is looked at before older ones are read
    knows less of how labels come.
    """
    observed = []
    for past in (window.shift(-back) for back in range(1, WINDOWS + 1)):
        if joins.of_window(past):
            profile = joins.once((past, until, basis.groups), partial(delays_of, monitor, joins, past, until, basis))
            age = age_of(monitor, past, until)
            if profile.rows:
                observed.append(Observed(profile, age, age))
    return maturity_curve(observed)


def completeness(curve: MaturityCurve | None, age: float) -> dict[str, float]:
    """By class, the share of its labels that is expected to be known at an age, at least a tenth.

    Nothing where classes do not differ beyond chance: then it does not matter, and would only add noise.
    """
    if curve is None or len(curve.groups) < 2:
        return {}
    shares = {name: float(np.clip(curve.completeness(age, name), _LEAST, 1.0)) for name in curve.groups}
    rows = curve.labelled[: len(curve.groups)].astype(np.float64)
    found = np.array([shares[name] for name in curve.groups])
    if not rows.sum():
        return {}
    mean = float(found @ rows / rows.sum())
    error = np.sqrt((mean * (1 - mean) + 1 / (rows + 1)) / (rows + 1))
    differs = (np.abs(found - mean) > np.maximum(_DEVIATIONS * error, _LEAST_DIFFERENCE)).any()
    return shares if differs else {}
