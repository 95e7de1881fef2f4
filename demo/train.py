"""The training script: fit a delay model on labelled rows, or score rows with one that was fitted.

    python -m demo.train fit --rows ROWS.parquet --out DIR --model flight-delay
    python -m demo.train score --model-file DIR/model.joblib --rows ROWS.parquet --out SCORED.parquet

The same rows give the same scores, bit for bit, whatever the number of cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from demo.flights import FEATURES, NEW_YORK, FeatureType

Scores = npt.NDArray[np.float64]

FOLDS = 5
_SEED = 0
# The departure delay says so much that the model at the gate may look at smaller groups of flights.
SETTINGS: dict[str, dict[str, Any]] = {
    "flight-delay": {"max_iter": 80, "learning_rate": 0.05, "min_samples_leaf": 100},
    "flight-delay-at-gate": {"max_iter": 80, "learning_rate": 0.1, "min_samples_leaf": 50},
}


class Bundle(TypedDict):
    """A fitted model with everything that scoring needs.

    Attributes:
        estimator: The fitted classifier.
        features: Name and type of every feature, in the order of the columns.
        categories: What each categorical feature may be; any other value counts as missing.
        settings: How the estimator was configured.
    """

    estimator: HistGradientBoostingClassifier
    features: dict[str, FeatureType]
    categories: dict[str, list[str]]
    settings: dict[str, Any]


def fit(rows: pd.DataFrame, model: str) -> Bundle:
    """Fit `model` on the labelled ones of `rows`.

    Args:
        rows: The features, `event_time` and `label` ("1", "0" or null); `event_id`, if there is one, settles
            the order of rows of the same time.
        model: A name in `FEATURES`; it selects the features and the settings.
    """
    return _fit(labelled(rows), model)


def score(bundle: Bundle, rows: pd.DataFrame) -> Scores:
    """The probability of a late arrival for each of `rows`; a row's score does not depend on the others."""
    if rows.empty:
        return np.empty(0)
    with threadpool_limits(limits=1, user_api="openmp"):
        matrix = _matrix(rows, bundle["features"], bundle["categories"])
        probabilities = bundle["estimator"].predict_proba(matrix)
    return np.asarray(probabilities[:, 1], dtype=np.float64)


def baseline(rows: pd.DataFrame, model: str, folds: int = FOLDS) -> pd.DataFrame:
    """The labelled ones of `rows` with scores from models that did not see them.

    A fold is made of whole New York days: flights of one day share their weather, and a model that has seen
    the morning knows too much about the evening.

    Args:
        rows: As for `fit`.
        model: As for `fit`.
        folds: How many models are fitted, each without its share of the days.

    Returns:
        `event_id` (if the rows have it), `event_time`, the features, `label` and `score`.

    Raises:
        ValueError: There are fewer days than folds.
    """
    known = labelled(rows)
    days = known["event_time"].dt.tz_convert(NEW_YORK).dt.date
    unique = sorted(days.unique())
    if not 2 <= folds <= len(unique):
        raise ValueError(f"{folds} folds of {len(unique)} days: take at least 2 folds, and no more than days")
    shuffled = np.random.default_rng(_SEED).permutation(len(unique)) % folds
    fold = days.map(dict(zip(unique, shuffled.tolist(), strict=True))).to_numpy()
    scores = np.empty(len(known))
    for held_out in range(folds):
        bundle = _fit(known[fold != held_out], model)
        scores[fold == held_out] = score(bundle, known[fold == held_out])
    identity = ["event_id"] if "event_id" in known else []
    return known[[*identity, "event_time", *FEATURES[model], "label"]].assign(score=scores)


def labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a label, by time: the fit depends on the order, so there is only one."""
    order = ["event_time", "event_id"] if "event_id" in rows else ["event_time"]
    return rows[rows["label"].notna()].sort_values(order, kind="stable", ignore_index=True)


def _fit(known: pd.DataFrame, model: str) -> Bundle:
    features, settings = FEATURES[model], SETTINGS[model]
    categorical = [name for name, kind in features.items() if kind == "categorical"]
    categories = {name: sorted(known[name].dropna().unique()) for name in categorical}
    estimator = HistGradientBoostingClassifier(**settings, categorical_features="from_dtype", random_state=_SEED)
    # One thread: with several, the order in which they finish decides how the gradients' sums are rounded.
    with threadpool_limits(limits=1, user_api="openmp"):
        estimator.fit(_matrix(known, features, categories), (known["label"] == "1").to_numpy(dtype=np.int64))
    return Bundle(estimator=estimator, features=features, categories=categories, settings=settings)


def _matrix(rows: pd.DataFrame, features: dict[str, FeatureType], categories: dict[str, list[str]]) -> pd.DataFrame:
    """The features as the estimator wants them. The categories come from training, never from the rows."""
    return pd.DataFrame(
        {
            name: pd.Categorical(rows[name], categories=categories[name])
            if kind == "categorical"
            else rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
            for name, kind in features.items()
        }
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser("python -m demo.train", description="Fit a delay model, or use one.")
    commands = parser.add_subparsers(dest="command", required=True)
    fitting = commands.add_parser("fit", help="write model.joblib and baseline.parquet")
    fitting.add_argument("--rows", type=Path, required=True, help="Parquet: features, label, event_time")
    fitting.add_argument("--out", type=Path, required=True, help="directory for what is written")
    fitting.add_argument("--model", choices=sorted(FEATURES), required=True)
    fitting.add_argument("--folds", type=int, default=FOLDS, help="for the baseline's scores (%(default)s)")
    scoring = commands.add_parser("score", help="write the rows with a column `score`")
    scoring.add_argument("--model-file", type=Path, required=True, help="model.joblib")
    scoring.add_argument("--rows", type=Path, required=True, help="Parquet: features")
    scoring.add_argument("--out", type=Path, required=True, help="Parquet to write")
    given = parser.parse_args(arguments)
    rows = pd.read_parquet(given.rows)
    if given.command == "fit":
        given.out.mkdir(parents=True, exist_ok=True)
        baseline(rows, given.model, given.folds).to_parquet(given.out / "baseline.parquet", index=False)
        joblib.dump(fit(rows, given.model), given.out / "model.joblib")
    else:
        rows.assign(score=score(joblib.load(given.model_file), rows)).to_parquet(given.out, index=False)


if __name__ == "__main__":
    main()
