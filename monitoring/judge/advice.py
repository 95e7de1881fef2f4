"""What somebody who is woken by a finding does first."""

from __future__ import annotations

from monitoring.judge.verdict import Code

_FEED = "Look at what writes this column, mend it, and run the window again; until then, trust no other number of it."
_LABELS = "Look at what delivers the labels; the model itself may be as good as before."
_WORSE = (
    "See whether other inputs or a changed relation did it. If the relation has, train on rows since then;"
    " until then, a simpler rule or the older model may do better."
)
_DRIFT = "Nothing needs to be done now. If performance follows, this is where to look first."

ADVICE: dict[Code, str] = {
    Code.NO_DATA: "Look whether the model answers at all, and whether its captures arrive where `capture.uri` points.",
    Code.NO_BASELINE: "Make a baseline from the rows that the model was trained on.",
    Code.TOO_FEW_ROWS: "Nothing, if so few rows are usual: longer windows or a lower `min_rows` make them judged.",
    Code.TOO_FEW_LABELS: "Wait for labels; if none come, look at what delivers them.",
    Code.UNTESTABLE: "Nothing can be compared here; see what is said of the same column elsewhere.",
    Code.COLUMN_MISSING: _FEED,
    Code.COLUMN_NEW: "Add it to `columns.features` if the model uses it.",
    Code.COLUMN_ALL_NULL: _FEED,
    Code.COLUMN_TYPE_CHANGED: _FEED,
    Code.NULLS_INCREASED: _FEED,
    Code.VALUES_OF_OTHER_TYPE: _FEED,
    Code.NONFINITE_INCREASED: _FEED,
    Code.SCALE_CHANGED: "Look whether what writes this column has changed its unit; the model expects the old one.",
    Code.OUT_OF_RANGE: "See whether the feed is right. If it is, the model guesses there: it needs rows like these.",
    Code.COLUMN_CONSTANT: _FEED,
    Code.COLUMN_STALE: "Look whether the feed sends yesterday's values again.",
    Code.FEED_BROKEN: "Mend the feed first, then run the window again: nothing about the model is known until then.",
    Code.BARRED: "Mend what is broken; this is judged when the window is run again.",
    Code.MODEL_VERSION: "Nothing, if it was meant: a new version may need a baseline of its own.",
    Code.RECORDS_REPEATED: "Look who sends the same records again, a retry or a second collector.",
    Code.UNSEEN_CATEGORIES: "See which they are: a renamed code is a fault of the feed, a new one needs training rows.",
    Code.RECORDS_QUARANTINED: "See why with `model-monitor quarantine show`; mended records can be replayed.",
    Code.EVENT_ID_REUSED: "Give each inference an id of its own: a label belongs to one of them.",
    Code.VOLUME_LOW: "Look whether callers or captures have stopped; missing rows are seldom missing at random.",
    Code.VOLUME_HIGH: "Look who calls: a load test or a retry loop is not what the model is for.",
    Code.HOURS_MISSING: "Look at the captures of these hours; records that come late are taken in by a later look.",
    Code.ERRORS_INCREASED: "Look at the serving logs of these hours; failed calls have no prediction to judge.",
    Code.FEATURE_DRIFT: _DRIFT,
    Code.PREDICTION_DRIFT: _DRIFT,
    Code.LABELS_MISSING: _LABELS,
    Code.LABELS_LATE: _LABELS,
    Code.LABELS_CONFLICT: "Look at what delivers the labels: two systems may say different things of one event.",
    Code.LABELS_UNMATCHED: "Look whether captures are complete, or whether these labels are another model's.",
    Code.SEGMENT_WORSE: "Look at this segment alone: its feed and labels first, then whether it needs its own model.",
    Code.SEGMENT_SHARE: _DRIFT,
    Code.SEGMENT_PREDICTIONS: "See whether the inputs of this segment have moved, or its labels as well.",
    Code.UNFAIR: "Compare the inputs and labels of these groups before anything is changed.",
    Code.ATTRIBUTION_DRIFT: "See which features have changed places: the model leans on others than before.",
    Code.CONCEPT_DRIFT: "Train on rows since the change, and look whether the label still means what it did.",
    Code.WORSE_THAN_AVERAGE: _WORSE,
    Code.RANKING_WORSE: _WORSE,
    Code.CALIBRATION_OFF: "Recalibrate on recent labels: if the ranking is as good as before, that is enough.",
    Code.BIASED: "Train on recent rows, or take the bias off the predictions; see whether a unit has changed.",
    Code.ACCURACY_WORSE: _WORSE,
    Code.ERROR_LARGER: _WORSE,
    Code.LOSS_HIGHER: _WORSE,
    Code.LOSS_EXPECTED: "Wait for labels before training: the rows are harder, the model may be as good as it can be.",
}


def advice(code: Code) -> str:
    """What to do first about a finding; empty for one that is within its limits."""
    return ADVICE.get(code, "")
