"""Which fields hold what a model answered, and what kind of model answers so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from monitoring.capture.inspect.values import Described, words
from monitoring.config.capture import Task

_SCORE = re.compile(
    r"(y_)?(score|prob|proba|probability)s?|probabilities|p|p1|(model|risk)_score|positive_probability"
    r"|pred(ict(ion|ed)?)?_(score|prob|proba|probability)s?"
)
_LIKE_SCORE = re.compile(r".*_(score|prob|proba|probability)|confidence")
_PREDICTION = re.compile(
    r"(y_)?(pred|prediction|predicted|hat)s?|yhat|outputs?|result|decision|forecast"
    r"|pred(ict(ion|ed)?)?_(label|class|value|y|target)"
)
_CLASS = re.compile(r"label|class|category|pred(ict(ion|ed)?)?s?_.*")
_POSITION = re.compile(r"y\d+")
_MOST_CLASSES = 20
# So many of the calls have an answer: those that failed have none
_MOST_CALLS = 0.8


@dataclass(frozen=True)
class Answer:
    """Where a model's answer is.

    Attributes:
        task: What the model predicts.
        score: Where the score is; empty: nowhere.
        prediction: Where the predicted class is.
        why: What it was guessed from.
        sure: Whether the names say so.
        note: What somebody should know about it.
        positions: Names for the fields of a response without names.
    """

    task: Task = "binary"
    score: str = ""
    prediction: str = ""
    why: str = ""
    sure: bool = False
    note: str = ""
    positions: list[str] = field(default_factory=list)


def answer(fields: Sequence[Described], given: set[str], *, alone: bool) -> Answer:
    """Where the model's answer is.

    Args:
        fields: What they are like.
        given: Fields that the log itself calls predictions.
        alone: Whether the fields are those of the answer, and of nothing else.
    """
    own = [item for item in fields if item.name in given] if given else list(fields)
    usable = [
        item for item in own if item.kind in ("numeric", "categorical") and item.present >= _MOST_CALLS * item.rows
    ]
    if alone and usable and all(_POSITION.fullmatch(item.name) for item in own):
        return _by_position(usable, own)
    scores = [item for item in usable if item.near_share and _SCORE.fullmatch(words(item.name))]
    exact = bool(scores)
    if not exact:
        like = [item for item in usable if item.near_share and not item.truth]
        scores = [item for item in like if _LIKE_SCORE.fullmatch(words(item.name))]
    score, note = _one_of(scores)
    predictions = [item for item in usable if item not in scores and _PREDICTION.fullmatch(words(item.name))]
    if alone:
        predictions += [item for item in usable if item not in scores and _CLASS.fullmatch(words(item.name))]
        predictions = predictions or ([] if scores or len(own) > 1 else usable)
    named = exact or any(_PREDICTION.fullmatch(words(item.name)) for item in predictions)
    found = _of(score, predictions[0] if predictions else None, note, sure=named)
    return replace(found, why="") if found.sure else found


def _one_of(scores: list[Described]) -> tuple[Described | None, str]:
    """The score among several; of a list of probabilities that of the second of two classes."""
    if not scores:
        return None, ""
    first = scores[0].name.partition("[")[0]
    several = [item for item in scores if item.name.startswith(f"{first}[")]
    if len(several) < 2:
        return scores[0], ""
    if len(several) == 2:
        return several[1], "of two probabilities, the second one"
    return None, f"{first} holds {len(several)} probabilities: name that of the predicted class as `score`"


def _of(score: Described | None, prediction: Described | None, note: str, *, sure: bool) -> Answer:
    if prediction is None:
        return Answer(score=score.name if score else "", sure=sure and not note, why=note or _FROM_VALUES, note=note)
    where = prediction.name
    few = prediction.distinct <= min(_MOST_CLASSES, prediction.values / 3)
    classes = prediction.kind == "categorical" or (prediction.whole and few)
    if prediction.truth:
        return Answer("binary", score.name if score else "", where, _FROM_VALUES, sure, note)
    if classes:
        two = "" if prediction.distinct != 2 else _TWO_CLASSES
        return Answer("multiclass", score.name if score else "", where, _FROM_VALUES, sure, note or two)
    if score is not None and prediction.share:
        return Answer("binary", score.name, "", _FROM_VALUES, sure, note)
    if prediction.share:
        return Answer("binary", where, "", "numbers from 0 to 1", sure=False)
    return Answer("regression", where, "", "numbers beyond 0 to 1", sure=False)


_FROM_VALUES = "from names and values"
_TWO_CLASSES = "two classes: with `task: binary` and `positive: LABEL` more can be measured"


def _by_position(usable: list[Described], own: list[Described]) -> Answer:
    """The answer in fields without names."""
    names = [item.name for item in own]
    if len(own) == 1:
        found = _of(None, usable[0], "", sure=False)
        name = "score" if found.score else "prediction"
        return _renamed(found, {usable[0].name: name}, names)
    if len(own) == 2 and len(usable) == 2:
        first, second = usable
        if first.share and second.share and not (first.truth or second.truth):
            note = "of two probabilities, the second one"
            return _renamed(Answer(score=second.name, why=note, note=note), {second.name: "score"}, names)
        score = next((item for item in usable if item.share and not item.truth), None)
        if score is not None:
            other = first if score is second else second
            found = _of(score, other, "", sure=False)
            return _renamed(found, {score.name: "score", other.name: "prediction"}, names)
    note = f"responses have {len(own)} fields without names: say which is the `score`, or the `prediction`"
    return Answer(note=note, positions=names)


def _renamed(found: Answer, renamed: dict[str, str], names: list[str]) -> Answer:
    return replace(
        found,
        score=renamed.get(found.score, found.score),
        prediction=renamed.get(found.prediction, found.prediction),
        sure=False,
        positions=[renamed.get(name, name) for name in names],
    )
