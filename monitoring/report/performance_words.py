"""Performance in words and tables: its stage, its track record, how labels come, and why it is what it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from monitoring.config import ModelConfig
from monitoring.judge import Status
from monitoring.measure import Measurement
from monitoring.measure.series import LEAST_LABELLED, Performance
from monitoring.report.facts import Facts, least_rows
from monitoring.report.measured import Measured, shown, shown_number
from monitoring.report.text import (
    MAIN_NUMBERS,
    NOTHING,
    NUMBER_WORDS,
    STAGE_MARKS,
    STAGE_WORDS,
    age_in_words,
    digits_of,
    esc,
    number,
    percent,
    plural,
    short,
    signed,
    with_interval,
)
from monitoring.report.track_record import TrackRecord, track_record

_ASSUMES = "The estimate assumes that the relation has not changed: that labels follow from inputs as in the baseline."
_CORRECTED = "Rows without a label are estimated, and the labels that have come correct this."
_YOUNG = "How labels come is not known yet: those that are missing may be of other rows than those that are here."
# With this share of labels, what is missing matters little
_MOSTLY = 0.9
# Nearly all labels that ever come
_NEARLY_ALL = 0.99
_MOST_FEATURES = 10
_PARTS = ("mix", "rate", "new")
# Parts of the change are told to two digits of a fifth of the largest one
_SHOWN_PARTS = 5
_INTERVALS = (
    "The interval of an estimated or a provisional number says what it may be once all labels of these rows have come;"
    " that of a final one, what chance does among so many rows."
)


def stage_sentence(measured: Measured, config: ModelConfig) -> str:
    """How sure the performance of a window is, and what it is.

    Args:
        measured: What a look measured.
        config: The model.
    """
    own = measured.own
    numbers = _numbers(own, config)
    if own.stage == "unknown":
        return f"Unknown: {_why_unknown(own)}"
    told = f"{', '.join(numbers)}." if numbers else "Its numbers are not defined on these rows, or these are too few."
    if own.stage == "estimated":
        return f"Estimated: {_without_labels(measured, config)}. {told} {_ASSUMES}"
    have = f"{percent(own.coverage)} of the rows have a label ({own.labelled:,} of {own.rows:,})"
    if own.stage == "provisional":
        end = f"{age_in_words(measured.age)} after the end of the {config.every}"
        young = measured.maturity is None or not measured.maturity["settled"]
        caveat = f" {_YOUNG}" if young and (own.coverage or 0.0) < _MOSTLY else ""
        return f"Provisional: {have}, {end}. {told}{f' {_CORRECTED}' if own.estimated else ''}{caveat}"
    return f"Final: {have}, and no more are waited for. {told}"


def performance_line(measured: Measured, config: ModelConfig) -> str:
    """Stage, coverage and the main number, in a few words.

    Args:
        measured: What a look measured.
        config: The model.
    """
    own = measured.own
    numbers = _numbers(own, config)[:1]
    coverage = [] if own.coverage is None else [f"{percent(own.coverage)} of the labels"]
    return ", ".join([own.stage, *coverage, *numbers])


def _numbers(performance: Performance, config: ModelConfig) -> list[str]:
    words, least = NUMBER_WORDS[config.columns.task], least_rows(config)
    found = {name: shown_number(performance.numbers, name, least) for name in MAIN_NUMBERS[config.columns.task]}
    return [f"{words[name]} {with_interval(item)}" for name, item in found.items() if item is not None]


def _why_unknown(performance: Performance) -> str:
    if not performance.rows:
        return "there are no rows with an answer of the model."
    labels = f"only {plural(performance.labelled, 'label')}" if performance.labelled else "no labels"
    return f"there are {labels}, and the baseline has too few labelled rows to estimate from."


def _without_labels(measured: Measured, config: ModelConfig) -> str:
    if config.labels is None:
        return "no labels are configured"
    if measured.own.labelled:
        few = f"only {measured.own.labelled} of {plural(measured.own.rows, 'row')} have a label"
        return f"{few}, {age_in_words(measured.age)} after the end of the {config.every}"
    if measured.final:
        return "no labels have come, and no more are waited for"
    return f"no labels yet, {age_in_words(measured.age)} after the end of the {config.every}"


def performance_head(facts: Facts) -> str:
    """The heading of the performance part, and one sentence; empty of a look that an older release took."""
    if facts.measured is None:
        return ""
    stage = facts.measured.own.stage
    word, rest = stage_sentence(facts.measured, facts.config).split(":", 1)
    mark = f'<span class="stage" aria-hidden="true">{STAGE_MARKS[stage]}</span>'
    sentence = f"<p>{mark}<strong>{esc(word)}</strong>:{esc(rest)}</p>"
    return f'<h2 class="big">Performance</h2><div class="verdict {esc(stage)}">{sentence}</div>'


def performance_cards(facts: Facts) -> str:
    """The cards under the pictures of performance; empty of a look that an older release took."""
    if facts.measured is None:
        return ""
    bodies = {
        "Track record of the estimates": _track_record(facts),
        "How labels come": _maturity(facts, facts.measured),
        "Why performance is what it is": _why(facts, facts.measured),
        "Segments": _segments(facts, facts.measured),
        "What missing labels may hide": _missing(facts, facts.measured),
    }
    cards = "".join(
        f'<section class="card full"><h2>{esc(t)}</h2>{body}</section>' for t, body in bodies.items() if body
    )
    note = f'<p class="soft small">{_INTERVALS}</p>'
    return f'{note}<div class="cards">{cards}</div>' if cards else note


def _table(header: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f'<th scope="col">{esc(name)}</th>' for name in header)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _line(*cells: str) -> str:
    """A row of a table of texts; the first one heads it."""
    head, *rest = (esc(cell) for cell in cells)
    return f'<tr><th scope="row">{head}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'


# --- the track record


def _track_record(facts: Facts) -> str:
    task, every = facts.config.columns.task, facts.config.every
    found = {name: track_record(facts.series, name, facts.least_rows) for name in MAIN_NUMBERS[task]}
    records = {NUMBER_WORDS[task][name]: record for name, record in found.items() if record is not None}
    if not records:
        if facts.config.labels is None:
            return ""
        return "<p>No window with an estimate is final yet: how good estimates are is not known.</p>"
    sentences = "".join(f"<p>{esc(_record_sentence(name, record, every))}</p>" for name, record in records.items())
    header = ["Number", f"Final {every}s", "Estimated", "Realised", "Difference", "Size of differences", "Inside"]
    return sentences + _table(header, (_record_line(name, record) for name, record in records.items()))


def _record_sentence(name: str, record: TrackRecord, every: str) -> str:
    digits = digits_of(record.absolute)
    often = " So many misses are no chance: the relation has changed, or rows of one window have much in common."
    return (
        f"{name}: over {plural(record.windows, f'final {every}')} the realised number was"
        f" {number(record.absolute, digits)} off its estimate in the mean, and {record.inside} of {record.windows}"
        f" lay inside the estimate's 95 % interval.{often if record.misses_often else ''}"
    )


def _record_line(name: str, record: TrackRecord) -> str:
    digits = digits_of(record.absolute)
    means = [number(value, digits) for value in (record.estimated, record.realised)]
    differences = [signed(record.difference, digits), number(record.absolute, digits)]
    return _line(name, f"{record.windows}", *means, *differences, f"{record.inside} of {record.windows}")


# --- how labels come


def _maturity(facts: Facts, measured: Measured) -> str:
    if facts.config.labels is None or measured.maturity is None:
        return ""
    maturity, every = measured.maturity, facts.config.every
    ever = maturity["ever"]
    horizon = age_in_words(maturity["horizon_hours"])
    between = f"{percent(ever['low'])} to {percent(ever['high'])} of one {every}"
    start = f"Of the {plural(maturity['windows'], every)} before, {percent(ever['expected'])} of the rows"
    told = [f"{start} have a label {horizon} after the end ({between}).{_all(maturity)}"]
    if not maturity["settled"]:
        told.append("Of the labels, more than 5% came in the second half of this time: some may come later still.")
    told.append(_lateness(facts, measured))
    return "".join(f"<p>{esc(sentence)}</p>" for sentence in told if sentence)


def _all(maturity: Mapping[str, Any]) -> str:
    hours = age_of_share(maturity["points"], _NEARLY_ALL)
    return "" if hours is None else f" Nearly all of these ({_NEARLY_ALL:.0%}) had come after {age_in_words(hours)}."


def age_of_share(points: list[Mapping[str, Any]], share: float) -> float | None:
    """The age at which a share of the labels of the last point had come, in hours; None if none came.

    Args:
        points: Of a maturity curve, by age.
        share: A share of all of its labels.

    >>> age_of_share([{"age_hours": 0.0, "expected": 0.0}, {"age_hours": 10.0, "expected": 0.8}], 0.5)
    5.0
    """
    wanted = share * points[-1]["expected"] if points else 0.0
    if not wanted:
        return None
    at = next(i for i, point in enumerate(points) if point["expected"] >= wanted)
    if not at:
        return float(points[0]["age_hours"])
    before, after = points[at - 1], points[at]
    part = (wanted - before["expected"]) / (after["expected"] - before["expected"])
    return float(before["age_hours"] + part * (after["age_hours"] - before["age_hours"]))


def _lateness(facts: Facts, measured: Measured) -> str:
    late, coverage = measured.lateness, facts.verdict.numbers.get("label_coverage")
    if late is None or late.value is None or coverage is None or coverage.value is None:
        return ""
    every, share = facts.config.every, coverage.value
    usual = percent(share - late.value)
    between = ""
    if late.low is not None and late.high is not None:
        between = f" ({percent(max(share - late.high, 0.0))} to {percent(min(share - late.low, 1.0))})"
    has = f"This {every} has {percent(share)} after {age_in_words(measured.age)}, where {usual}{between} are usual"
    finding = facts.finding("label_delay")
    if finding is not None and finding.status in (Status.WARN, Status.FAIL):
        return f"{has}: labels are late."
    within = late.low is None or late.high is None or late.low <= 0 <= late.high
    return f"{has}{'' if within else ': fewer than usual' if late.value < 0 else ': more than usual'}."


# --- why


def _why(facts: Facts, measured: Measured) -> str:
    gap = shown(measured.loss_gap(measured.trailing), facts.least_rows)
    windows = plural(max(len(facts.verdict.trailing_windows), 1), facts.config.every)
    about = ""
    if gap is not None:
        about = (
            f"<p>Concept gap over {esc(windows)}: <strong>{esc(_signed_interval(gap))}</strong>. By so much the"
            f" {esc(measured.loss_title)} of labelled rows is off what the same inputs would give.</p>"
        )
    explanation = measured.explanation
    if explanation is None:
        later = "Causes are looked for at the first and the last look, and when performance is bad."
        return f'{about}<p class="soft small">{later}</p>' if about else ""
    sentence = f"<p>{esc(explanation['diagnosis']['sentence'])}</p>"
    if measured.trailing.labelled < LEAST_LABELLED:
        return sentence + about
    return sentence + about + _decomposition(explanation, measured)


def _signed_interval(found: Measurement) -> str:
    if found.low is None or found.high is None:
        return signed(found.value)
    digits = digits_of(found.high - found.low)
    return f"{signed(found.value, digits)} [{signed(found.low, digits)}, {signed(found.high, digits)}]"


def _decomposition(explanation: Mapping[str, Any], measured: Measured) -> str:
    features = _ranked(explanation)
    if not features or explanation["loss_before"] is None or explanation["loss_now"] is None:
        return ""
    change = explanation["loss_now"] - explanation["loss_before"]
    extent = max(_extent(feature) for feature in features)
    digits = digits_of(extent / _SHOWN_PARTS)
    told = (
        f"The {measured.loss_title} has gone from {short(explanation['loss_before'])} in the baseline to"
        f" {short(explanation['loss_now'])}: {signed(change, digits)}. Each feature splits this change in its own way."
    )
    legend = (
        '<p class="key"><span><b class="mix"></b>mix: rows have moved to cells where it is ordinarily'
        ' higher or lower</span><span><b class="rate"></b>rate: it has changed in the same cells</span>'
        '<span><b class="new"></b>new: cells that the baseline does not have</span></p>'
    )
    header = ["Feature", "Parts of the change", "Mix", "Rate", "New", "Concentration", "Where"]
    lines = (_feature_line(feature, explanation["diagnosis"], extent, digits) for feature in features)
    note = (
        '<p class="soft small">Concentration: how differently the change is spread over the cells of a feature, beyond'
        " chance. A feature with much of it tells where the relation has changed.</p>"
    )
    return f"<p>{esc(told)}</p>{legend}{_table(header, lines)}{note}"


def _ranked(explanation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    named = explanation["diagnosis"]["feature"]

    def size(feature: Mapping[str, Any]) -> tuple[bool, float]:
        parts = (abs(feature["mix"]["value"] or 0.0), feature["concentration"]["value"] or 0.0)
        return feature["feature"] != named, -max(parts)

    return sorted(explanation["features"], key=size)[:_MOST_FEATURES]


def _extent(feature: Mapping[str, Any]) -> float:
    """How far the parts of a feature reach to either side of zero."""
    values = [feature[part]["value"] or 0.0 for part in _PARTS]
    return max(sum(value for value in values if value > 0), -sum(value for value in values if value < 0))


def _feature_line(feature: Mapping[str, Any], diagnosis: Mapping[str, Any], extent: float, digits: int) -> str:
    parts = "".join(f"<td>{esc(signed(feature[part]['value'], digits))}</td>" for part in _PARTS)
    where = ", ".join(diagnosis["cells"]) if feature["feature"] == diagnosis["feature"] else ""
    return (
        f'<tr><th scope="row">{esc(feature["feature"])}</th><td>{_bar(feature, extent)}</td>{parts}'
        f"<td>{esc(_concentration(feature['concentration'], digits))}</td><td>{esc(where or NOTHING)}</td></tr>"
    )


def _concentration(found: Mapping[str, Any], digits: int) -> str:
    p_value = found.get("p_value")
    if found["value"] is None or p_value is None:
        return NOTHING
    return f"{number(found['value'], digits)} (p {'< 0.001' if p_value < 0.001 else number(p_value)})"


def _bar(feature: Mapping[str, Any], extent: float) -> str:
    """The parts side by side, those above zero to the right of the middle and the others to the left."""
    return f'<div class="parts" aria-hidden="true">{"".join(_pieces(feature, extent))}<i></i></div>'


def _pieces(feature: Mapping[str, Any], extent: float) -> Iterator[str]:
    right = left = 50.0
    for part in _PARTS:
        value = feature[part]["value"] or 0.0
        width = 50 * abs(value) / extent if extent else 0.0
        left -= width if value < 0 else 0.0
        yield f'<b class="{part}" style="left:{left if value < 0 else right:.1f}%;width:{width:.1f}%"></b>'
        right += width if value > 0 else 0.0


# --- segments


def _segments(facts: Facts, measured: Measured) -> str:
    return "".join(
        _segment(facts, measured, name, values)
        for name, values in measured.segments.items()
        if any(item.rows >= _least(facts) for item in values.values())
    )


def _least(facts: Facts) -> int:
    return max(LEAST_LABELLED, facts.least_rows)


def _segment(facts: Facts, measured: Measured, name: str, values: Mapping[str, Performance]) -> str:
    task, least = facts.config.columns.task, facts.least_rows
    main = MAIN_NUMBERS[task][0]

    def badness(item: tuple[str, Performance]) -> tuple[bool, float, str]:
        found = shown_number(item[1].numbers, main, least)
        value = (found.value or 0.0) * (1 if found.direction == "high" else -1) if found else 0.0
        return found is None, -value, item[0]

    large = {value: item for value, item in values.items() if item.rows >= _least(facts)}
    header = [name, "Rows", "With a label", NUMBER_WORDS[task][main], "Stage", "Concept gap", ""]
    lines = (_segment_line(facts, measured, name, *item, main) for item in sorted(large.items(), key=badness))
    windows = plural(max(len(facts.verdict.trailing_windows), 1), facts.config.every)
    about = f"By {name}, over {windows}, the worst first; values of fewer than {_least(facts)} rows are left out."
    return f'<p class="soft small">{esc(about)}</p>{_table(header, lines)}'


def _segment_line(
    facts: Facts, measured: Measured, segment: str, value: str, performance: Performance, main: str
) -> str:
    gap = shown(measured.loss_gap(performance), facts.least_rows)
    found = facts.finding("concept_drift", f"{segment}={value}")
    drifted = found is not None and found.status in (Status.WARN, Status.FAIL, Status.INFO)
    return _line(
        value,
        f"{performance.rows:,}",
        percent(performance.coverage),
        with_interval(shown_number(performance.numbers, main, facts.least_rows)),
        f"{STAGE_MARKS[performance.stage]} {STAGE_WORDS[performance.stage].lower()}",
        _signed_interval(gap) if gap else NOTHING,
        "concept drift" if drifted else "",
    )


# --- labels that did not come


def _missing(facts: Facts, measured: Measured) -> str:
    missing = measured.explanation and measured.explanation["missing"]
    if not missing or missing["labelled"] < facts.least_rows:
        return ""
    without, loss = missing["rows"] - missing["labelled"], missing["loss"]
    told = [f"{without:,} of {plural(missing['rows'], 'row')} have no label, and no more are waited for."]
    low, high = missing["bounds"]
    picture = ""
    if low is not None and high is not None and missing["mean_loss"] is not None:
        told.append(
            f"The {loss} of the rows with a label is {short(missing['mean_loss'])}. Whatever the others are, that of"
            f" all rows lies between {short(low)} and {short(high)}."
        )
        picture = _range(low, high, missing["mean_loss"])
    found = [column["sentence"] for column in missing["columns"] if column["found"]]
    count = plural(len(missing["columns"]), "column")
    alike = f"In none of {count} do rows without a label differ from the others beyond chance."
    items = f"<ul>{''.join(f'<li>{esc(sentence)}</li>' for sentence in found)}</ul>" if found else f"<p>{alike}</p>"
    return f"<p>{esc(' '.join(told))}</p>{picture}{items}"


def _range(low: float, high: float, mean: float) -> str:
    """The bounds as a bar from zero, and the mean of the labelled rows as a mark in it."""
    left, width, at = (100 * value / high if high else 0.0 for value in (low, high - low, mean))
    bar = f'<b style="left:{left:.1f}%;width:{width:.1f}%"></b><i style="left:{min(at, 99.7):.1f}%"></i>'
    return f'<div class="meter range" aria-hidden="true">{bar}</div>'
