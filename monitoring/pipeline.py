"""The stages of one window, in their order, as plain functions.

Each stage reads what the stage before it wrote and writes objects that depend on nothing else, so any of them
may be stopped anywhere and run again.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from monitoring import documents, history
from monitoring.baseline import Baseline, baseline_for
from monitoring.capture.pinning import load_manifest, pin
from monitoring.decide import Decision, decide
from monitoring.decide import decision as decisions
from monitoring.decide.recall import history_of
from monitoring.engine.assessment import KIND as PERFORMANCE
from monitoring.engine.assessment import SCHEMA_VERSION as PERFORMANCE_VERSION
from monitoring.engine.assessment import Assessment, Explanation, LookReader, assess, explain
from monitoring.engine.evidence import evidence_of, look_profiles
from monitoring.engine.intake import (
    Intake,
    complete,
    ensure_complete,
    is_complete,
    runs_with_arrivals,
    visible_runs,
)
from monitoring.engine.label_join import JoinReader, ensure_joined
from monitoring.engine.labelled import WindowLabels
from monitoring.engine.performance import PerformanceReader
from monitoring.engine.profiles import ProfileReader
from monitoring.engine.reading import batch_count, read_batch
from monitoring.engine.windows import WindowData, profiled_by
from monitoring.incidents import update_incidents
from monitoring.judge import Code, Status, Verdict
from monitoring.judge import verdict as verdicts
from monitoring.judge.judge import Look, judge
from monitoring.labels.epochs import pin_epochs
from monitoring.measure.basis import Profile
from monitoring.monitor import Monitor
from monitoring.sagemaker.stored import write_look
from monitoring.watch import Watched
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
        final = min(final, _enough_labels(monitor, window, joins) or final)
        epoch, joined = window.shift(1), joins.joins()
        while epoch <= final and epoch in joined:
            looks |= {epoch} if epoch in changed or epoch == final else set()
            epoch = epoch.shift(1)
        if epoch <= final:  # windows run out of their order: later epochs have to wait for this one
            looks = {run for run in looks if run < epoch}
    return [Revision(window, number, run) for number, run in enumerate([window, *sorted(looks)], 1)]


def _enough_labels(monitor: Monitor, window: Window, joins: JoinReader) -> Window | None:
    """The run by which the share of records had a label that makes a window final; None before there is one."""
    share = monitor.config.labels.final_coverage if monitor.config.labels else None
    if share is None:
        return None
    labelled = 0
    for run, item in joins.of_window(window).items():
        labelled += sum(count for bins in item.delays.values() for count in bins.values())
        records = sum(profiled_by(monitor, window, other) for other in visible_runs(monitor, window, run))
        if run >= window and records and labelled >= share * records:
            return run
    return None


def measure_and_judge(monitor: Monitor, revision: Revision, reader: LookReader | None = None) -> Verdict:
    """Measure a window with the labels that had come by then, judge it, and decide what to do.

    Args:
        monitor: The model.
        revision: Which look at which window.
        reader: What to share between the looks of one run.
    """
    reader = reader or LookReader(monitor)
    window, until = revision.window, revision.epoch
    baseline = reader.baseline(window)
    profiles = look_profiles(monitor, window, until, baseline, ProfileReader(monitor))
    past = [*profiles.trailing]
    assessment = assess(monitor, window, until, baseline, past, reader)
    known = reader.ledger.past(window, monitor.as_of(until), baseline.version if baseline else "")
    evidence = evidence_of(window, profiles, assessment, known, baseline, monitor.config)
    look = _look(monitor, revision, profiles.own, past, assessment, reader)
    reference = baseline.reference if baseline else None
    verdict = judge(look, evidence, reference, monitor.config)
    explanation = None
    if baseline is not None and baseline.basis and assessment.trailing.labelled and wants_a_reason(verdict):
        moved = [found for found in verdict.findings if found.code is Code.FEATURE_DRIFT and not found.reference]
        drifted = [finding.subject for finding in moved]
        explanation = explain(assessment, window, until, baseline, past, drifted, reader)
        evidence = replace(evidence, diagnosis=explanation.diagnosis)
        verdict = judge(look, evidence, reference, monitor.config)
    _write_measured(monitor, verdict, assessment, explanation, baseline)
    if monitor.config.report.sagemaker:
        write_look(monitor, verdict, profiles.own.profile)
    reader.ledger.write(window, revision.number, Watched.of(verdict, evidence))
    _decide(monitor, verdict, revision, baseline, reader.joins)
    update_incidents(monitor, verdict, revision.epoch)
    # last, because a look counts as taken when its verdict is there
    body = documents.encode(verdicts.KIND, verdicts.SCHEMA_VERSION, verdict.to_json())
    monitor.store.put(monitor.layout.verdict(window, revision.number), body)
    return verdict


def _look(
    monitor: Monitor,
    revision: Revision,
    own: WindowData,
    past: list[Window],
    assessment: Assessment,
    reader: LookReader,
) -> Look:
    counts = own.counts
    return Look(
        window=revision.window,
        revision=revision.number,
        as_of=monitor.as_of(revision.epoch),
        final=assessment.final,
        trailing_windows=tuple(w.label for w in past),
        accounting={
            "records": {
                "read": counts.read,
                "profiled": counts.profiled,
                "duplicate": counts.duplicate,
                "quarantined": counts.quarantined,
                "conflicting": counts.conflicting,
                "waiting": counts.waiting,
                "late": counts.late,
            },
            "labels": _label_accounting(assessment.labels, revision, reader.joins),
        },
        inputs={
            "baseline": own.baseline,
            "config": monitor.config.fingerprint(),
            "captures": counts.content,
            "model_versions": own.profile.versions,
        },
    )


def wants_a_reason(verdict: Verdict) -> bool:
    """Whether it is to be said what became of performance: of the first and the last look, and of a bad one."""
    bad = verdict.of_status(Status.FAIL, Status.WARN)
    told = any(finding.about_performance or finding.code is Code.CONCEPT_DRIFT for finding in bad)
    return verdict.revision == 1 or verdict.final or told


def _write_measured(
    monitor: Monitor,
    verdict: Verdict,
    assessment: Assessment,
    explanation: Explanation | None,
    baseline: Baseline | None,
) -> None:
    """Write what was measured of a look."""
    place = (verdict.window, verdict.revision)
    monitor.store.put(monitor.layout.metrics(*place), _metrics(verdict, assessment))
    body = assessment.to_json() | {"explanation": explanation and explanation.to_json()}
    monitor.store.put(monitor.layout.performance(*place), documents.encode(PERFORMANCE, PERFORMANCE_VERSION, body))
    if explanation is not None and baseline is not None:
        losses = explanation.losses
        head: dict[str, Any] = {"loss": assessment.basis.loss_title, "spec": baseline.reference.spec.fingerprint}
        head |= {"uncounted": losses.uncounted, "largest": losses.largest}
        tables = {name: table.ravel() for name, table in losses.features.items()}
        monitor.store.put(monitor.layout.losses(*place), documents.pack("losses", 2, head, tables))


def run_window(monitor: Monitor, window: Window, *, reports: bool = False) -> list[Verdict]:
    """All stages of one window but the reports, in this process; the verdicts, in the order of the looks.

    Args:
        monitor: The model.
        window: The window.
        reports: Whether reports will be written, so that a look without one is due.
    """
    for batch in range(pin_inputs(monitor, window)):
        read_batch(monitor, window, batch)
    due, reader = join_labels(monitor, window, reports=reports), LookReader(monitor)
    return [measure_and_judge(monitor, revision, reader) for revision in due]


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


def outcomes_of(monitor: Monitor, window: Window, until: Window) -> Profile:
    """How the window's predictions met the labels that the run of `until` knew."""
    reader, baseline = PerformanceReader(monitor), baseline_for(monitor, window)
    return reader.basis(baseline).profile(reader.window(window, until, baseline).whole.state)


def _label_accounting(labels: WindowLabels, revision: Revision, joins: JoinReader) -> dict[str, int]:
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


def _decide(
    monitor: Monitor, verdict: Verdict, revision: Revision, baseline: Baseline | None, joins: JoinReader
) -> Decision:
    def newest(window: Window) -> Verdict | None:
        return history.latest_verdict(monitor, window, verdict.as_of) if monitor.started(window) else None

    known = history_of(
        verdict,
        history.decisions_before(monitor, verdict.window),
        newest,
        lambda: labelled_rows(joins, revision.epoch, baseline),
        reach=waited_for(monitor, verdict.window),
        policy=monitor.config.policy,
    )
    decision = decide(verdict, known, monitor.config.policy)
    key = monitor.layout.decision(verdict.window, verdict.revision)
    monitor.store.put(key, documents.encode(decisions.KIND, decisions.SCHEMA_VERSION, decision.to_json()))
    return decision


def waited_for(monitor: Monitor, window: Window) -> int:
    """For how many windows more the labels of a window are waited for."""
    return (monitor.final_epoch(window).start - window.start) // LENGTHS[window.every]


def labelled_rows(joins: JoinReader, until: Window, baseline: Baseline | None) -> int:
    """Rows that got a label, or another one, since a baseline became valid, as far as a run knew."""
    return sum(
        item.changed
        for run, join in joins.joins().items()
        if run <= until
        for window, item in join.windows.items()
        if baseline is None or window.start >= baseline.valid_from
    )


def _metrics(verdict: Verdict, assessment: Assessment) -> bytes:
    """Every measurement of a look as one table, for queries over many windows."""
    rows: list[dict[str, Any]] = []
    own = assessment.window
    series = (("series", own.numbers), ("estimated", own.estimated), ("gap", assessment.trailing.gap))
    for scope, numbers in (("window", verdict.numbers), ("trailing", verdict.trailing), *series):
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
