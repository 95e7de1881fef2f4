"""What is checked, how far each measurement may move, and how many false alarms that may cost."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from monitoring.config.added_checks import added_rules
from monitoring.config.values import Strict

# YAML reads a bare `off` as false
Severity = Annotated[
    Literal["fail", "warn", "info", "off"], BeforeValidator(lambda value: "off" if value is False else value)
]


class CheckRule(Strict):
    """One check: how much it matters, and how far a measurement may move before it says so.

    With `limit: baseline` a check fires when the measurement is further from what is ordinary than `tolerance`, **and**
    so far that ordinary windows would hardly be: the first asks whether it matters, the second whether it is more than
    noise. How rare is rare enough follows from `alarms`. A number instead is a limit of one's own, and nothing else is
    asked.
    """

    severity: Severity = Field(description="`fail` pages, `warn` tells, `info` is evidence only, `off` is off.")
    limit: Literal["baseline"] | float = Field(
        "baseline", description="`baseline`: what is ordinary is learned there. A number: the value that is too much."
    )
    tolerance: float = Field(0.0, ge=0, description="Smallest change that matters, in the measurement's unit.")
    min_rows: int = Field(
        200,
        ge=1,
        description="Fewer rows than this are too few, and nothing is said of them. Tests know how unsure few rows are"
        " and miss small changes in them rather than see what is not there: so it is low, 50 for shares and facts, 100"
        " for drift and performance, 20 for losses, which are held against windows of the same size.",
    )


class FairnessRule(CheckRule):
    """How differently the values of a segment may be treated.

    `tolerance` is of a difference as it is, and of the ratio as a share of it.
    """

    columns: list[str] = Field([], description="Segments whose values are compared, such as `gender`. Empty: none is.")
    limits: dict[
        Literal[
            "demographic_parity_difference", "disparate_impact", "equal_opportunity_difference", "accuracy_difference"
        ],
        float,
    ] = Field(
        {},
        description="Limits of one's own, by metric: `{disparate_impact: 0.8}` is the four-fifths rule. Then it does"
        " not matter what was ordinary in training.",
    )


class LossRule(CheckRule):
    """A check of the loss of window after window."""

    lead: float = Field(
        0.5,
        ge=0,
        le=1,
        description="It fails only if so much of the baseline's lead over always predicting the average (Brier skill,"
        " R²) is lost, and warns while the model keeps more of it: rows can be harder than ordinary for any model. 0:"
        " it fails whenever the loss is higher.",
    )


class Alarms(Strict):
    """How many false alarms are put up with, in a month of 30 days in which nothing has changed.

    Each run shares them out among the checks of one severity, however many columns there are (Benjamini and Hochberg,
    Controlling the false discovery rate, J. R. Stat. Soc. B 57, 1995).
    """

    fail: float = Field(0.05, gt=0, le=10, description="Of checks that fail: one in twenty months.")
    warn: float = Field(0.5, gt=0, le=100, description="Of checks that warn: one in two months.")
    info: float = Field(2.0, gt=0, le=100, description="Of checks that inform.")
    discoveries: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Share of false ones among all that the checks of a severity find, of the recent past: what has"
        " been found lately lets them look closer.",
    )
    memory: float = Field(
        0.9, gt=0, lt=1, description="How much of that a window keeps of the window before; 0.9 forgets in three weeks."
    )


# Least rows of shares and facts, of drift and performance, and of losses that are held against windows of this size
_SHARES, _NUMBERS, _WINDOWS = 50, 100, 20
_SHARE = ("limit", "min_rows")
_USELESS = {
    "schema": ("limit", "tolerance", "min_rows"),
    "quarantine": _SHARE,
    "volume": ("min_rows",),
    "scale": ("limit",),
    "constants": ("limit", "tolerance"),
    "staleness": ("limit", "tolerance"),
    "duplicates": _SHARE,
    "gaps": _SHARE,
    "feed": ("min_rows",),
    "model_version": ("limit", "tolerance", "min_rows"),
    "event_ids": _SHARE,
    "label_coverage": _SHARE,
    "label_conflicts": _SHARE,
    "unmatched_labels": _SHARE,
    "label_delay": ("limit",),
    "concept_drift": ("limit",),
    "loss": ("limit",),
    "estimated_loss": ("limit",),
    "segment_share": ("limit",),
    "segment_predictions": ("limit",),
    "fairness": ("limit",),
}


class Checks(Strict):
    """All checks, with their defaults: a model without this block is monitored with them."""

    schema_: CheckRule = Field(
        CheckRule(severity="fail", min_rows=1),
        alias="schema",
        description="Columns that are missing, entirely null or of another type fail; a new column informs.",
    )
    nulls: CheckRule = Field(
        CheckRule(severity="fail", tolerance=0.1, min_rows=_SHARES),
        description="Share of nulls per feature. 0.1: below a tenth of the rows models usually cope. 50 rows: of so"
        " many, a third of nulls can be told from a tenth.",
    )
    mismatch: CheckRule = Field(
        CheckRule(severity="fail", tolerance=0.05, min_rows=_SHARES),
        description="Share of values per feature that are not of its type, such as a text where a number belongs.",
    )
    nonfinite: CheckRule = Field(
        CheckRule(severity="fail", tolerance=0.1, min_rows=_SHARES),
        description="Share of NaN and infinite values per numeric feature.",
    )
    out_of_range: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.05, min_rows=_SHARES),
        description="Share of values per numeric feature below the baseline's lowest or above its highest. A summer"
        " after a baseline of winter does that: it warns.",
    )
    scale: CheckRule = Field(
        CheckRule(severity="fail", tolerance=2.0, min_rows=_SHARES),
        description="More than half of a numeric feature's values lie outside of the baseline's range, and their mean"
        " lies further outside than `tolerance` times the width of that range. A changed unit does that, and no season:"
        " it fails.",
    )
    constants: CheckRule = Field(
        CheckRule(severity="fail", min_rows=_SHARES),
        description="A feature that always had several values has one. Fires where as many rows of one value would be"
        " a rare chance, which few rows seldom are.",
    )
    staleness: CheckRule = Field(
        CheckRule(severity="fail", min_rows=_SHARES),
        description="A feature of many values has exactly the values of the window before, and never had in the"
        " baseline.",
    )
    unseen: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.05, min_rows=_SHARES),
        description="Share of categories per feature that the baseline never saw.",
    )
    quarantine: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.01, min_rows=1),
        description="Share of records that could not be read.",
    )
    event_ids: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.001, min_rows=1),
        description="Share of records with the event id of another record that says something else: which of them a"
        " label belongs to is not known. 0.001: one in a thousand is somebody's retry.",
    )
    duplicates: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.1, min_rows=1),
        description="Share of records that were there before. They are not counted twice; many of them are a sender"
        " that repeats itself.",
    )
    volume: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.5, min_rows=1),
        description="Rows in the window, as a share of what the same hours of the week have in the baseline. 0.5: half"
        " or twice. What is left of a feed that has collapsed fails: see `feed`.",
    )
    gaps: CheckRule = Field(
        CheckRule(severity="fail", tolerance=0.05, min_rows=1),
        description="Hours without a record that never are without one in the baseline. `tolerance`: share of the"
        " window's ordinary rows that may be missing so; less than that warns. 0.05: an hour of a day.",
    )
    feed: CheckRule = Field(
        CheckRule(severity="fail", limit=0.2, tolerance=0.4, min_rows=1),
        description="Whether the window as a whole is broken, so that it tells nothing of the model: more than"
        " `tolerance` of its columns, records or hours are, or fewer than `limit` of its rows have come. It stands for"
        " all checks that it explains. 0.4: a feed that stops at noon is near a half, now above and now below.",
    )
    model_version: CheckRule = Field(
        CheckRule(severity="info", min_rows=1),
        description="A model version answers that did not in the window before. A fact to be told, no drift.",
    )
    errors: CheckRule = Field(
        CheckRule(severity="fail", tolerance=0.01, min_rows=_SHARES),
        description="Share of responses with status 500 or above, where the capture has a status.",
    )
    feature_drift: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.05, min_rows=_NUMBERS),
        description="Jensen-Shannon distance per feature. Inputs move all the time and models mostly do not mind: it"
        " warns only where rows are moving to where the baseline's loss is higher, or where that is not known, and"
        " otherwise informs. 0.05: a shift of a normal number by an eighth of its deviation. The test knows how far few"
        " rows are from the baseline by sampling alone.",
    )
    prediction_drift: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.05, min_rows=_NUMBERS),
        description="Jensen-Shannon distance of the score. Evidence, like the drift of features.",
    )
    label_coverage: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.25, min_rows=1),
        description="Share of rows that have a label, judged when the window is final.",
    )
    label_conflicts: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.01, min_rows=1),
        description="Share of labelled rows that were given different labels at one and the same time, so that it is"
        " not known which is right. A label that a later one corrects is no conflict.",
    )
    unmatched_labels: CheckRule = Field(
        CheckRule(severity="info", tolerance=0.05, min_rows=1),
        description="Share of labels whose event was never captured. Evidence only: several models may share a feed of"
        " labels.",
    )
    label_delay: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.1),
        description="Share of rows that have a label by now, against what earlier windows had at this age. Labels that"
        " come slower than usual, or have stopped. `tolerance`: how much of the rows may lack a label that should be"
        " there.",
    )
    concept_drift: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.05, min_rows=_NUMBERS),
        description="Realised less estimated loss of the labelled rows: what the relation of inputs and labels has"
        " changed, since other inputs are in the estimate. `tolerance` is a share of the baseline's mean loss. The loss"
        " is the Brier score, without probabilities the error rate, for numbers the mean absolute error.",
    )
    loss: LossRule = Field(
        LossRule(severity="fail", tolerance=0.1, min_rows=_WINDOWS),
        description="The loss of window after window against the baseline's, with an alarm that may be looked at every"
        " day. `tolerance`: how far above the baseline's it may be, as a share of it. `lead`: how much worse the model"
        " has to be than it was to fail, and not to warn.",
    )
    estimated_loss: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.1, min_rows=_WINDOWS),
        description="The same of the loss that is expected before labels come. It takes for granted that the relation"
        " of inputs and labels is the baseline's.",
    )
    accuracy: CheckRule = Field(
        CheckRule(severity="fail", tolerance=0.05, min_rows=_NUMBERS),
        description="Share of right predictions of a classifier with several classes; `tolerance`: how far below the"
        " baseline's.",
    )
    error: CheckRule = Field(
        CheckRule(severity="fail", tolerance=0.2, min_rows=_NUMBERS),
        description="Mean absolute error of a regression; `tolerance`: how far above the baseline's, as a share of it.",
    )
    worse_than_average: CheckRule = Field(
        CheckRule(severity="fail", min_rows=_NUMBERS),
        description="Brier skill score below 0 by more than `tolerance`: always predicting the average rate would"
        " have been better.",
    )
    ranking: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.25, min_rows=_NUMBERS),
        description="ROC AUC. `tolerance` is the share of the baseline's lead over chance (AUC - 0.5) that is lost.",
    )
    calibration: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.05, min_rows=_NUMBERS),
        description="Mean score minus the rate of positive labels. With several classes: of the class that is furthest"
        " off; without probabilities its share of the predictions minus its share of the labels.",
    )
    bias: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.5),
        description="Mean prediction minus mean actual value of a regression, up or down; `tolerance` is a share of the"
        " baseline's mean absolute error. 0.5: normal errors that are so far off on one side make the mean absolute"
        " error only 8 % larger, so that `error` does not see it.",
    )
    segment_loss: CheckRule = Field(
        CheckRule(severity="fail", tolerance=0.2),
        description="The loss of each value of each segment against its own in the baseline: fine overall, broken"
        " here. `tolerance` is a share of it. Where the whole fails, too, it says where it is worst.",
    )
    segment_share: CheckRule = Field(
        CheckRule(severity="info", tolerance=0.05),
        description="Share of the rows that a value of a segment has, up or down.",
    )
    segment_predictions: CheckRule = Field(
        CheckRule(severity="info", tolerance=0.1),
        description="Share of positive predictions among the rows of a value of a segment, up or down.",
    )
    fairness: FairnessRule = Field(
        FairnessRule(severity="warn", tolerance=0.05),
        description="How differently a model treats the values of a segment, against how it did in training:"
        " demographic parity, disparate impact, equal opportunity, accuracy. Off until `columns` names one.",
    )
    attribution_drift: CheckRule = Field(
        CheckRule(severity="warn", tolerance=0.1),
        description="NDCG of the features by mean absolute attribution, against the baseline's order; for models whose"
        " attributions are captured. 0.1 below 1 is the 0.90 of SageMaker Clarify.",
    )

    added: dict[str, SerializeAsAny[CheckRule]] = Field(
        {}, description="Checks that packages add, by name. They may be written beside the others, too."
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_other_defaults(cls, data: Any) -> Any:
        """A check that is given in part keeps its other defaults; a setting that it has no use for is refused."""
        if not isinstance(data, dict):
            return data
        defaults = {field.alias or name: field.default for name, field in cls.model_fields.items() if name != "added"}
        for name, rule in data.items():
            for key in _USELESS.get(name, ()) if isinstance(rule, dict) else ():
                if key in rule and rule[key] != getattr(defaults[name], key):
                    raise ValueError(f"the check {name} has no use for {key!r}")
        given = {
            name: {**defaults[name].model_dump(), **rule} if name in defaults and isinstance(rule, dict) else rule
            for name, rule in data.items()
        }
        return _with_added(given, {*defaults, "added"})


def _with_added(given: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """Settings in which the checks of packages stand under `added`, of the type that their package gives them."""
    unknown = [name for name in given if name not in known]
    if not unknown and not given.get("added"):
        return given
    rules: dict[str, CheckRule] = added_rules()
    named = {**(given.get("added") or {}), **{name: given[name] for name in unknown if name in rules}}
    for name, rule in named.items():
        if name not in rules:
            raise ValueError(f"no package adds a check {name!r}; there are {', '.join(sorted(rules)) or 'none'}")
        if isinstance(rule, dict):
            named[name] = type(rules[name]).model_validate({**rules[name].model_dump(), **rule})
    return {name: rule for name, rule in given.items() if name not in named} | {"added": named}
