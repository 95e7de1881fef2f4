"""The stages of one window, in their order, as plain functions.

Each stage reads what the stage before it wrote and writes objects that depend on nothing else, so any of them
may be stopped anywhere and run again.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from monitoring import documents, history
from monitoring.baseline import Baseline, baseline_for
from monitoring.capture.pinning import load_manifest, pin
from monitoring.capture.schema import FEATURE_PREFIX
from monitoring.decide import Decision, History, decide
from monitoring.decide import decision as decisions
from monitoring.engine.intake import Intake, complete, ensure_complete, is_complete, runs_with_arrivals
from monitoring.engine.label_join import JoinReader, ensure_joined
from monitoring.engine.labelled import LabelledWindow, labelled_window
from monitoring.engine.reading import batch_count, read_batch
from monitoring.engine.windows import load_window, profiled_by
from monitoring.judge import Status, Verdict
from monitoring.judge import verdict as verdicts
from monitoring.judge.evidence import Evidence
from monitoring.judge.judge import Look, judge
from monitoring.labels.epochs import pin_epochs
from monitoring.monitor import Monitor
from monitoring.profile import OutcomeProfile, ProfileSpec, WindowProfile
from monitoring.profile.arrow_types import find_column
from monitoring.profile.cells import cell_count, cells_of
from monitoring.profile.losses import LossByBin
from monitoring.window import LENGTHS, Window

# How far beyond the horizon a missed last look is looked for, in windows; and how many in a row may be missing
_FURTHEST, _MOST_MISSED = 1000, 60


@dataclass(frozen=True, order=True)
class Revision:
    """One look at one window.

    Attributes:
        window: The window.
        number: 1 for the first look.
        epoch: The window whose run takes this look: its labels are the newest that count.
    """

    window: Window
    number: int
    epoch: Window


def pin_inputs(monitor: Monitor, window: Window) -> int:
    """Pin the window's captures and the labels that have come.

    Returns:
        How many batches of captures there are.
    """
    pin_epochs(monitor, window)
    if monitor.config.capture.dates != "nothing":
        for back in range(monitor.config.trailing_windows, 0, -1):
            ensure_complete(monitor, window.shift(-back))
    return batch_count(pin(monitor, window))


def join_labels(monitor: Monitor, window: Window, *, reports: bool = True) -> list[Revision]:
    """Bring the window's records together, and find which looks are due.

    Args:
        monitor: The model.
        window: The window of this run.
        reports: Whether a look without a report is still due.

    Returns:
        Every revision of this window, and those of older windows that are due and not there, oldest first.
    """
    intake = complete(monitor, window)
    ensure_joined(monitor, window)
    joins = JoinReader(monitor)
    due = []
    got_records = {monitor.window(label) for label, count in intake.targets.items() if count}
    for older in _open_windows(monitor, window, got_records):
        # this window is always measured anew, so that a rerun shows a changed configuration
        due += [r for r in plan_revisions(monitor, older, joins) if older == window or not _done(monitor, r, reports)]
    return sorted(due, key=lambda revision: (revision.epoch, revision.window))


def _done(monitor: Monitor, revision: Revision, reports: bool) -> bool:
    """Whether this look was taken: windows that run out of their order may number their looks anew."""
    place = (revision.window, revision.number)
    if not monitor.store.exists(monitor.layout.verdict(*place)):
        return False
    taken = history.load_verdict(monitor, *place)
    shown = not reports or monitor.store.exists(monitor.layout.report(*place))
    return shown and taken.as_of == monitor.as_of(revision.epoch)


def plan_revisions(monitor: Monitor, window: Window, joins: JoinReader) -> list[Revision]:
    """The window's revisions: its own run's, one per run that brought it records or labels, and a last one.

    The last one is taken when the labels' horizon has passed, whether or not labels came.
    """
    final = monitor.final_epoch(window)
    known_at_once = load_manifest(monitor, window).earlier
    runs = [run for run in runs_with_arrivals(monitor, window) if run > window and run not in known_at_once]
    looks = {run for run in runs if profiled_by(monitor, window, run)}
    if monitor.config.labels is not None:
        changed = {run for run in joins.changes(window) if run > window and run not in known_at_once}
        epoch, joined = window.shift(1), joins.joins()
        while epoch <= final and epoch in joined:
            looks |= {epoch} if epoch in changed or epoch == final else set()
            epoch = epoch.shift(1)
        if epoch <= final:  # windows run out of their order: later epochs have to wait for this one
            looks = {run for run in looks if run < epoch}
    return [Revision(window, number, run) for number, run in enumerate([window, *sorted(looks)], 1)]


def measure_and_judge(monitor: Monitor, revision: Revision, joins: JoinReader | None = None) -> Verdict:
    """Measure a window with the labels that had come by then, judge it, and decide what to do.

    Args:
        monitor: The model.
        revision: Which look at which window.
        joins: A reader to share between the looks of one run.
    """
    joins = joins or JoinReader(monitor)
    window = revision.window
    baseline = baseline_for(monitor, window)
    own = load_window(monitor, window, baseline, revision.epoch)
    past = _trailing(monitor, window, baseline, revision.epoch)
    labels = {w: labelled_window(monitor, w, revision.epoch, ["score", "prediction"]) for w in {*past, window}}
    outcomes = {w: _outcomes(monitor, found) for w, found in labels.items()}
    spec = baseline.reference.spec if baseline else ProfileSpec({})
    evidence = Evidence(
        profile=own.profile,
        outcomes=outcomes[window],
        trailing=reduce(WindowProfile.merge, past.values(), WindowProfile.empty(spec)),
        trailing_outcomes=reduce(OutcomeProfile.merge, (outcomes[w] for w in past), OutcomeProfile.empty()),
        windows=max(len(past), 1),
        hours=LENGTHS[window.every] // LENGTHS["hour"],
        final=revision.epoch >= monitor.final_epoch(window),
        coverage=labels[window].coverage() if monitor.config.labels else None,
        quarantined=sum(own.counts.quarantined.values()),
        read=own.counts.own_run,
        conflicting=own.counts.conflicting,
        missing_columns=own.counts.columns_at_fault(own.counts.missing_columns),
        changed_columns=own.counts.columns_at_fault(own.counts.changed_columns),
        new_columns=own.counts.new_columns,
    )
    look = Look(
        window=window,
        revision=revision.number,
        as_of=monitor.as_of(revision.epoch),
        final=evidence.final,
        trailing_windows=tuple(w.label for w in past),
        accounting={
            "records": {
                "read": own.counts.read,
                "profiled": own.counts.profiled,
                "duplicate": own.counts.duplicate,
                "quarantined": own.counts.quarantined,
                "conflicting": own.counts.conflicting,
                "waiting": own.counts.waiting,
                "late": own.counts.late,
            },
            "labels": _label_accounting(labels[window], revision, joins),
        },
        inputs={
            "baseline": own.baseline,
            "config": monitor.config.fingerprint(),
            "captures": own.counts.content,
            "model_versions": own.profile.versions,
        },
    )
    verdict = judge(look, evidence, baseline.reference if baseline else None, monitor.config)
    monitor.store.put(monitor.layout.metrics(window, revision.number), _metrics(verdict))
    if baseline is not None and labels[window].labelled:
        losses = _losses(monitor, revision, baseline)
        monitor.store.put(monitor.layout.losses(window, revision.number), losses)
    _decide(monitor, verdict, revision, baseline)
    # last, because a look counts as taken when its verdict is there
    body = documents.encode(verdicts.KIND, verdicts.SCHEMA_VERSION, verdict.to_json())
    monitor.store.put(monitor.layout.verdict(window, revision.number), body)
    return verdict


def run_window(monitor: Monitor, window: Window, *, reports: bool = False) -> list[Verdict]:
    """All stages of one window but the reports, in this process; the verdicts, in the order of the looks.

    Args:
        monitor: The model.
        window: The window.
        reports: Whether reports will be written, so that a look without one is due.
    """
    for batch in range(pin_inputs(monitor, window)):
        read_batch(monitor, window, batch)
    due, joins = join_labels(monitor, window, reports=reports), JoinReader(monitor)
    return [measure_and_judge(monitor, revision, joins) for revision in due]


def _open_windows(monitor: Monitor, window: Window, got_records: set[Window]) -> list[Window]:
    """This window, and those before it that were looked at and may be due for another look.

    Beyond the horizon these are windows that never got their last look, because runs were missed; and those that got
    records.
    """
    late = [
        w
        for w in _got_records(monitor, window, got_records)
        if w < window and history.latest_verdict(monitor, w) is not None
    ]
    within = _open_for_labels(monitor, window)
    return [*within, *sorted(set(late) - set(within))]


def _got_records(monitor: Monitor, window: Window, own: set[Window]) -> set[Window]:
    """Windows that this run brought records to, and runs before it that were missed: those without a verdict."""
    found, missed = set(own), window.shift(-1)
    while monitor.started(missed) and is_complete(monitor, missed) and history.latest_verdict(monitor, missed) is None:
        found |= {monitor.window(label) for label, n in Intake.load(monitor, missed).targets.items() if n}
        missed = missed.shift(-1)
    return found


def _open_for_labels(monitor: Monitor, window: Window) -> list[Window]:
    found = [window]
    horizon = (monitor.final_epoch(window).start - window.start) // LENGTHS[window.every]
    for back in range(1, horizon + _FURTHEST):
        older = window.shift(-back)
        if not monitor.started(older):
            break
        within = monitor.final_epoch(older) >= window
        latest = history.latest_verdict(monitor, older)
        if not within and latest is not None and latest.final:
            break
        if latest is not None:
            found.append(older)
        elif not within and back > horizon + _MOST_MISSED:
            break
    return found


def _trailing(
    monitor: Monitor, window: Window, baseline: Baseline | None, until: Window
) -> dict[Window, WindowProfile]:
    """The trailing windows that have records and the same baseline, oldest first."""
    found = {}
    for back in range(monitor.config.trailing_windows - 1, -1, -1):
        past = window.shift(-back)
        if baseline is None or past.start < baseline.valid_from or not monitor.started(past):
            continue
        ensure_complete(monitor, past)
        profile = load_window(monitor, past, baseline, until).profile
        if profile.rows:
            found[past] = profile
    return found


def outcomes_of(monitor: Monitor, window: Window, until: Window) -> OutcomeProfile:
    """How the window's scores met the labels that the run of `until` knew."""
    return _outcomes(monitor, labelled_window(monitor, window, until, ["score", "prediction"]))


def _outcomes(monitor: Monitor, found: LabelledWindow) -> OutcomeProfile:
    # a call that failed has no score
    rows = pc.and_(found.records["score"].is_valid().combine_chunks(), pc.is_valid(found.label))
    actual = pc.equal(found.label.filter(rows), monitor.config.columns.positive).to_numpy(zero_copy_only=False)
    scores, predictions = (found.records[name].filter(rows).to_numpy() for name in ("score", "prediction"))
    return OutcomeProfile.of(scores, predictions, actual)


def _losses(monitor: Monitor, revision: Revision, baseline: Baseline) -> bytes:
    """Squared errors by cell of each feature: what tells later whether rows have moved or predictions got worse."""
    spec = baseline.reference.spec
    found = labelled_window(monitor, revision.window, revision.epoch, None)
    known = pc.and_(pc.is_valid(found.label), found.records["score"].is_valid().combine_chunks())
    actual = pc.equal(found.label.filter(known), monitor.config.columns.positive).to_numpy(zero_copy_only=False)
    records = found.records.filter(known)
    bins = {}
    for name, column in spec.features.items():
        values = find_column(records, FEATURE_PREFIX + name)
        bins[name] = cells_of(pa.nulls(records.num_rows) if values is None else values, column)
    sizes = {name: cell_count(column) for name, column in spec.features.items()}
    errors = records["score"].to_numpy() - actual
    losses = LossByBin.of(bins, sizes, errors**2, 1.0)
    head = {"loss": "squared error", "spec": spec.fingerprint, "uncounted": losses.uncounted}
    return documents.pack("losses", 1, head, {name: table.ravel() for name, table in losses.features.items()})


def _label_accounting(labels: LabelledWindow, revision: Revision, joins: JoinReader) -> dict[str, int]:
    """`read = joined + superseded + elsewhere + quarantined`, over the labels that may be of this window's records.

    Whether those elsewhere have found their records depends on which other windows were read by now: see
    `JoinReader.accounting`.
    """
    read, quarantined = joins.read(revision.window, revision.epoch)
    joined = labels.labelled
    return {
        "read": read,
        "joined": joined,
        "superseded": labels.superseded,
        "elsewhere": read - quarantined - joined - labels.superseded,
        "quarantined": quarantined,
        "corrected": labels.corrected,
        "conflicting": labels.conflicting,
    }


def _decide(monitor: Monitor, verdict: Verdict, revision: Revision, baseline: Baseline | None) -> Decision:
    decision = decide(verdict, _history(monitor, verdict, revision, baseline), monitor.config.policy)
    key = monitor.layout.decision(verdict.window, verdict.revision)
    monitor.store.put(key, documents.encode(decisions.KIND, decisions.SCHEMA_VERSION, decision.to_json()))
    return decision


def _history(monitor: Monitor, verdict: Verdict, revision: Revision, baseline: Baseline | None) -> History:
    """What was known when this look was taken; nothing but the last decision for a later look."""
    policy = monitor.config.policy.retrain
    decided = history.decisions_before(monitor, verdict.window)
    if revision.number > 1:
        return History(decisions=tuple(decided[-1:]))
    seen = _judged_before(monitor, verdict, policy.confirm[1] if policy else 1)
    failing = any(past.performance_status is Status.FAIL for past in (*seen, verdict))
    return History(tuple(seen), tuple(decided), _labelled_rows(monitor, revision.epoch, baseline) if failing else 0)


def _judged_before(monitor: Monitor, verdict: Verdict, count: int) -> list[Verdict]:
    """The newest looks before this one, back to `count` windows whose own rows could tell, oldest first."""
    horizon = monitor.final_epoch(verdict.window).start - verdict.window.start
    found: list[Verdict] = []
    for back in range(1, horizon // LENGTHS[verdict.window.every] + count + 1):
        window = verdict.window.shift(-back)
        past = history.latest_verdict(monitor, window, verdict.as_of) if monitor.started(window) else None
        if past is not None:
            found.append(past)
            count -= past.own_performance is not Status.UNKNOWN
        if not count:
            break
    return found[::-1]


def _labelled_rows(monitor: Monitor, until: Window, baseline: Baseline | None) -> int:
    joins = JoinReader(monitor).joins()
    return sum(
        item.changed
        for run, join in joins.items()
        if run <= until
        for window, item in join.windows.items()
        if baseline is None or window.start >= baseline.valid_from
    )


def _metrics(verdict: Verdict) -> bytes:
    """Every measurement of the verdict as one table, for queries over many windows."""
    rows: list[dict[str, Any]] = []
    for scope, numbers in (("window", verdict.numbers), ("trailing", verdict.trailing)):
        rows += [{"scope": scope, "check": "", "subject": "", "status": "", **n.to_json()} for n in numbers.values()]
    for finding in verdict.findings:
        if finding.measurement is not None:
            about = {"check": finding.check, "subject": finding.subject, "status": str(finding.status)}
            rows.append({"scope": "check", **about, **finding.measurement.to_json()})
    schema = pa.schema(
        [(name, pa.string()) for name in ("scope", "check", "subject", "status", "name", "direction", "method")]
        + [("rows", pa.int64()), ("reference_rows", pa.int64())]
        + [(name, pa.float64()) for name in ("value", "low", "high", "standard_error", "p_value", "noise")]
    )
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink, compression="zstd")
    return sink.getvalue()
