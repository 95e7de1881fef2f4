"""The proof on real data: two months of flights, every number against pandas and scikit-learn."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from demo import world
from demo.flights import rows_for
from demo.train import score
from monitoring import history, pipeline
from monitoring.baseline import create_baseline
from monitoring.config import load_model
from monitoring.decide import Action, Decision, State, Veto
from monitoring.judge import Code, Status, Verdict
from monitoring.monitor import Monitor
from monitoring.store import Store
from monitoring.store.local import LocalStore
from monitoring.window import Window

# March and April 2013; of the healthy twin April alone, when the other declines
DAYS, LAST_MONTH = 61, 30
MODELS = Path(__file__).parents[2] / "models"


@dataclass
class Replay:
    """What the runs left behind."""

    monitor: Monitor
    windows: list[Window]
    first: list[Verdict]
    final: list[Verdict]
    decisions: list[Decision]


def _replay(model: str, days: int, prepared: Store, folder: Path) -> Replay:
    store, config = LocalStore(folder), load_model(MODELS / f"{model}.yaml")
    for info in (*prepared.objects(f"training/{model}/"), *prepared.objects(f"serving/{model}/")):
        store.put(info.key, prepared.get(info.key))
    first = Window(world.FIRST_DAY, "day").shift(DAYS - days)
    config = config.model_copy(update={"schedule": config.schedule.model_copy(update={"start": first.start.date()})})
    monitor = Monitor(store, config)
    create_baseline(monitor)
    windows = [first.shift(i) for i in range(days)]
    if days < DAYS:
        world.play_day(store, config, first.shift(-1))  # its labels are delivered together with those of the first day
    verdicts = []
    # three days more, so that the label horizon of the last windows passes
    for window in (*windows, *(windows[-1].shift(i) for i in (1, 2, 3))):
        world.play_day(store, config, window)
        verdicts += pipeline.run_window(monitor, window)
    decisions = [history.load_decision(monitor, window, 1) for window in windows]
    return Replay(
        monitor,
        windows=windows,
        first=[v for v in verdicts if v.revision == 1 and v.window in windows],
        final=[v for v in verdicts if v.final and v.window in windows],
        decisions=[decision for decision in decisions if decision],
    )


@pytest.fixture(scope="session")
def flights(prepared: Store, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """The model that is asked at the scheduled departure, from March to April 2013."""
    return _replay("flight-delay", DAYS, prepared, tmp_path_factory.mktemp("flights"))


@pytest.fixture(scope="session")
def at_gate(prepared: Store, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """Its healthy twin, which knows the departure delay, in April."""
    return _replay("flight-delay-at-gate", LAST_MONTH, prepared, tmp_path_factory.mktemp("at_gate"))


@pytest.fixture(params=["flights", "at_gate"])
def replay(request: pytest.FixtureRequest) -> Replay:
    """Each of them."""
    found: Replay = request.getfixturevalue(request.param)
    return found


def _raw(replay: Replay) -> pd.DataFrame:
    """The raw rows, with the scores of the model that served."""
    monitor = replay.monitor
    bundle = joblib.load(io.BytesIO(monitor.store.get(world.model_key(monitor.config.name, world.FIRST_VERSION))))
    rows = rows_for(monitor.config.name)
    rows = rows[rows["event_time"] >= world.FIRST_DAY]
    return rows.assign(score=score(bundle, rows))


def _known(numbers: dict[str, Any]) -> dict[str, Any]:
    """Undefined numbers as a number that no other one is near."""
    return {name: -1e9 if value is None else value for name, value in numbers.items()}


def _expected(rows: pd.DataFrame) -> dict[str, Any]:
    known = rows[rows["label"].notna()]
    truth, scores = (known["label"] == "1").to_numpy(), known["score"].to_numpy()
    predicted = scores >= 0.5
    precision, recall, _ = metrics.precision_recall_curve(truth, scores)
    some = truth.any() or predicted.any()
    return {
        "rows": len(rows),
        "label_coverage": len(known) / len(rows),
        "positive_rate": (rows["score"] >= 0.5).mean(),
        "base_rate": truth.mean(),
        "mean_score": scores.mean(),
        "calibration": scores.mean() - truth.mean(),
        "roc_auc": metrics.roc_auc_score(truth, scores),
        "average_precision": metrics.average_precision_score(truth, scores),
        "pr_auc": metrics.auc(recall, precision),
        "brier": metrics.brier_score_loss(truth, scores),
        "brier_skill": 1 - metrics.brier_score_loss(truth, scores) / truth.var(),
        "log_loss": metrics.log_loss(truth, scores),
        "accuracy": metrics.accuracy_score(truth, predicted),
        "precision": metrics.precision_score(truth, predicted) if predicted.any() else None,
        "recall": metrics.recall_score(truth, predicted) if truth.any() else None,
        "f0_5": metrics.fbeta_score(truth, predicted, beta=0.5) if some else None,
        "f1": metrics.f1_score(truth, predicted) if some else None,
        "f2": metrics.fbeta_score(truth, predicted, beta=2) if some else None,
    }


# Of more than eight scores in one score bin the order is lost; each loss is rounded to 2^-40 before it is summed
_BINNED = dict.fromkeys(("roc_auc", "average_precision", "pr_auc"), 1e-4)
_ROUNDED = 1e-11


def _compare(found: dict[str, Any], expected: dict[str, Any], label: str) -> None:
    calibration_errors = {name for name in found if name.endswith("_calibration_error")}
    assert found.keys() - calibration_errors <= expected.keys()
    for name in found.keys() - calibration_errors:
        tolerance = _BINNED.get(name, _ROUNDED)
        value, number = _known({"found": found[name], "expected": expected[name]}).values()
        assert value == pytest.approx(number, abs=tolerance, rel=_ROUNDED), (label, name)


def test_every_final_window_has_the_numbers_of_a_plain_computation(replay: Replay) -> None:
    rows = _raw(replay)
    days = rows["event_time"].dt.floor("D")
    assert [verdict.window for verdict in replay.final] == replay.windows
    for verdict in replay.final:
        expected = _expected(rows[days == verdict.window.start])
        found = {name: number.value for name, number in verdict.numbers.items()}
        assert expected.keys() <= found.keys()
        _compare(found, expected, verdict.window.label)


def test_the_trailing_week_too(replay: Replay) -> None:
    rows = _raw(replay)
    days = rows["event_time"].dt.floor("D")
    for verdict in replay.final[::7]:
        assert len(verdict.trailing_windows) == min(7, (verdict.window.start - replay.windows[0].start).days + 1)
        # labels of the trailing days that had come by then: all of them, since the horizon of the last has passed
        expected = _expected(rows[days.isin(pd.to_datetime(list(verdict.trailing_windows), utc=True))])
        found = {name: number.value for name, number in verdict.trailing.items()}
        _compare(found, expected, verdict.window.label)


def test_every_look_knows_the_labels_of_its_time_and_no_later_ones(flights: Replay) -> None:
    rows = _raw(flights)
    for verdict in flights.first[::5]:
        mine = rows[rows["event_time"].dt.floor("D") == verdict.window.start]
        known = int((mine["label_time"] < verdict.as_of).sum())
        assert verdict.numbers["base_rate"].rows == known < len(mine)


def test_drift_of_a_window_equals_scipy_on_the_raw_rows(flights: Replay) -> None:
    from scipy.spatial.distance import jensenshannon

    raw = rows_for("flight-delay")
    baseline = pd.read_parquet(io.BytesIO(flights.monitor.store.get(world.baseline_key("flight-delay"))))
    verdict = next(v for v in flights.final if v.window.label == "2013-03-20")
    days = raw["event_time"].dt.floor("D")
    found = {f.subject: f for f in verdict.findings if f.check == "feature_drift" and f.measurement}
    assert len(found) == 14
    for name, finding in found.items():
        # of the day and of the week, the one that is further off
        over = list(verdict.trailing_windows)[-finding.windows :]
        trailing = raw[days.isin(pd.to_datetime(over, utc=True))]
        assert finding.measurement is not None
        distance = finding.measurement.value
        if baseline[name].dtype == object:
            names = sorted(set(baseline[name].dropna()))
            cells = [
                [(part[name] == item).sum() for item in names] + [(~part[name].isin(names)).sum()]
                for part in (baseline, trailing)
            ]
        else:
            known = baseline[name].dropna()
            edges = np.unique(np.quantile(known, np.arange(1, 20) / 20, method="inverted_cdf"))
            cells = [
                [
                    *np.bincount(np.searchsorted(edges, part[name].dropna()), minlength=len(edges) + 1),
                    part[name].isna().sum(),
                ]
                for part in (baseline, trailing)
            ]
        assert distance == pytest.approx(jensenshannon(cells[0], cells[1], base=2), abs=1e-9), name


def test_accounting_adds_up(replay: Replay) -> None:
    rows = rows_for(replay.monitor.config.name)["event_time"].dt.floor("D").value_counts()
    for verdict in (*replay.first, *replay.final):
        records, labels = verdict.accounting["records"], verdict.accounting["labels"]
        assert records["read"] == records["profiled"] == rows[verdict.window.start]
        assert (records["duplicate"], records["quarantined"]) == (0, {})
        assert labels["read"] == labels["joined"] + labels["elsewhere"]


def test_the_decline_in_april_is_found(flights: Replay) -> None:
    failed = [verdict for verdict in flights.first if verdict.status is Status.FAIL]
    assert failed[0].window.label == "2013-04-22"
    assert {f.code for v in failed for f in v.of_status(Status.FAIL)} == {Code.WORSE_THAN_AVERAGE, Code.LOSS_HIGHER}
    [since] = {f.since for v in failed for f in v.of_status(Status.FAIL) if f.code is Code.LOSS_HIGHER}
    assert since == "2013-04-22"
    assert all(v.why is not None and v.why["kind"] in ("concept drift", "both") for v in failed)
    quiet = [verdict for verdict in flights.first if verdict.window.label < "2013-04-22"]
    assert Status.UNKNOWN not in {verdict.status for verdict in quiet}


def test_and_retraining_is_asked_for_once_it_is_confirmed(flights: Replay) -> None:
    by_action = {action: [d.window for d in flights.decisions if d.action is action] for action in Action}
    assert len(by_action[Action.RETRAIN]) == 1
    [asked] = by_action[Action.RETRAIN]
    assert "2013-04-22" <= asked <= "2013-04-26"
    vetoes = {d.window: d.vetoes for d in flights.decisions if d.action is Action.VETOED}
    assert {found for window, found in vetoes.items() if window < asked} <= {(Veto.NOT_CONFIRMED,)}
    assert all(Veto.COOLDOWN in found for window, found in vetoes.items() if window > asked)
    changes = [d for d in flights.decisions if d.notify and d.state is State.FAILING]
    assert changes[0].window == "2013-04-22"


def test_what_the_inputs_do_wakes_nobody(flights: Replay) -> None:
    """In raw numbers the weather of every week is far from the winter's; so were the winter's weeks from each other."""
    distances = [
        f.measurement.value
        for v in flights.first
        for f in v.findings
        if f.check == "feature_drift" and f.subject == "temp" and f.measurement and f.measurement.value
    ]
    assert min(distances) > 0.2
    told = [v for v in flights.first if any(f.code is Code.FEATURE_DRIFT for f in v.of_status(Status.WARN))]
    assert len(told) <= DAYS / 6
    assert not [f for v in flights.first for f in v.of_status(Status.FAIL) if f.code is Code.FEATURE_DRIFT]


def test_the_healthy_twin_never_fails(at_gate: Replay) -> None:
    assert {v.status for v in (*at_gate.first, *at_gate.final)} <= {Status.OK, Status.WARN}
    assert {d.state for d in at_gate.decisions} == {State.HEALTHY}
    assert not any(d.notify for d in at_gate.decisions)
    assert {d.action for d in at_gate.decisions} == {Action.NONE}


def _types(value: Any) -> set[type]:
    if isinstance(value, dict):
        return set().union(*(_types(item) for item in value.values()))
    return set().union(*(_types(item) for item in value)) if isinstance(value, list) else {type(value)}


def test_verdicts_are_plain_json(flights: Replay) -> None:
    from monitoring import documents

    verdict = flights.final[-1]
    body = documents.decode(
        flights.monitor.store.get(flights.monitor.layout.verdict(verdict.window, verdict.revision)), "verdict", 2, "k"
    )
    assert _types(body) <= {str, int, float, bool, type(None)}
    assert Verdict.from_json(body) == verdict
