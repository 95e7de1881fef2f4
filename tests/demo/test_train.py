"""The training script: honest scores, the same every time, from Python and from the command line."""

from __future__ import annotations

import io
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from demo.flights import NEW_YORK, rows_for
from demo.train import baseline, fit, main, score
from demo.world import baseline_key
from monitoring.store import Store

MODEL = "flight-delay"


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """A week of flights, a few of them without a label."""
    return rows_for(MODEL)[:6_000]


@pytest.mark.parametrize(("model", "expected"), [("flight-delay", 0.68), ("flight-delay-at-gate", 0.906)])
def test_out_of_fold_ranking(prepared: Store, model: str, expected: float) -> None:
    known = pd.read_parquet(io.BytesIO(prepared.get(baseline_key(model))))
    assert roc_auc_score(known["label"] == "1", known["score"]) == pytest.approx(expected, abs=0.02)


def test_a_score_does_not_see_its_own_day(rows: pd.DataFrame) -> None:
    days = rows["event_time"].dt.tz_convert(NEW_YORK).dt.date
    held_out = days == days.iloc[3_000]
    flipped = rows.assign(label=rows["label"].mask(held_out, rows["label"].map({"0": "1", "1": "0"})))
    first, second = baseline(rows, MODEL, folds=2), baseline(flipped, MODEL, folds=2)
    same_day = first["event_id"].isin(rows["event_id"][held_out])
    assert (first["score"] == second["score"])[same_day].all()
    assert (first["score"] != second["score"])[~same_day].any()


def test_command_line_repeats_itself_and_the_functions(rows: pd.DataFrame, tmp_path: Path) -> None:
    rows.sample(frac=1, random_state=1).to_parquet(tmp_path / "rows.parquet")
    written, source = [], ["--rows", f"{tmp_path}/rows.parquet"]
    for name in ("first", "second"):
        out = tmp_path / name
        main(["fit", *source, "--out", f"{out}", "--model", MODEL, "--folds", "2"])
        main(["score", *source, "--out", f"{out}/scored.parquet", "--model-file", f"{out}/model.joblib"])
        written.append([(out / file).read_bytes() for file in ("baseline.parquet", "scored.parquet")])
    assert written[0] == written[1]
    scored = pd.read_parquet(tmp_path / "first" / "scored.parquet").set_index("event_id")
    expected = score(fit(rows, MODEL), rows)
    assert (scored.loc[rows["event_id"], "score"].to_numpy() == expected).all()


def test_an_unknown_category_is_a_missing_value(rows: pd.DataFrame) -> None:
    bundle = fit(rows[:3_000], MODEL)
    some = rows[:50]
    assert np.array_equal(score(bundle, some.assign(dest="XXX")), score(bundle, some.assign(dest=None)))


def test_bundle_survives_the_file(rows: pd.DataFrame) -> None:
    bundle = fit(rows[:3_000], MODEL)
    sink = io.BytesIO()
    joblib.dump(bundle, sink)
    assert set(bundle) == {"estimator", "features", "categories", "settings"}
    assert np.array_equal(score(joblib.load(sink), rows), score(bundle, rows))


def test_more_folds_than_days_are_refused(rows: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="5 folds of 1 days"):
        baseline(rows[:500], MODEL)
