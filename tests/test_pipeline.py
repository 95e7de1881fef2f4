"""One window after the other through all stages: late labels, reruns, crashes, orders, dirt, and two stores."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from monitoring import documents, history, pipeline
from monitoring.capture import CapturedInference, write_captures
from monitoring.capture.writer import write_labels
from monitoring.decide import State
from monitoring.engine.intake import complete
from monitoring.engine.reading import read_batch
from monitoring.errors import PinnedObjectChangedError
from monitoring.judge import Code, Status, Verdict
from monitoring.store import Store
from monitoring.store.local import LocalStore
from monitoring.store.s3 import S3Store
from tests.conftest import BuildOnce, World, measured

MakeWorld = Callable[..., Any]
DAYS = 5
_TAG = re.compile(rb'"etag": "[^"]*"')


def _happened(world: World) -> None:
    world.train()
    world.play(*range(DAYS))


@pytest.fixture
def world(build_once: BuildOnce) -> World:
    """Five days of captures and labels, and a baseline; nothing has run yet."""
    return build_once(_happened)


def _happened_and_ran(world: World) -> None:
    _happened(world)
    _run(world, *range(DAYS))


@pytest.fixture
def done(build_once: BuildOnce) -> World:
    """The same five days, after their runs."""
    return build_once(_happened_and_ran, "done")


def _run(world: Any, *numbers: int) -> list[Verdict]:
    return [verdict for n in numbers for verdict in pipeline.run_window(world.monitor, world.window(n))]


def _bytes(store: Store, *prefixes: str) -> dict[str, bytes]:
    """Every object, without the tags of the captures and labels: those of a copy are others."""
    found = {info.key: store.get(info.key) for prefix in prefixes for info in store.objects(prefix)}
    return {key: _TAG.sub(b"", data) if key.endswith(".json") else data for key, data in found.items()}


def _verdicts(store: Store) -> dict[str, bytes]:
    return {key: data for key, data in _bytes(store, "toy/windows/").items() if key.endswith("verdict.json")}


def _codes(verdict: Verdict, subject: str) -> set[Code]:
    return {finding.code for finding in verdict.findings if finding.subject == subject}


# --- labels that come late


def test_every_look_sees_the_labels_of_its_time(world: Any) -> None:
    looks = [(v.window.label[-2:], v.revision, v.final) for v in _run(world, *range(DAYS))]
    assert looks == [
        ("11", 1, False),
        *[("11", 2, False), ("12", 1, False)],
        *[("11", 3, True), ("12", 2, False), ("13", 1, False)],
        *[("12", 3, True), ("13", 2, False), ("14", 1, False)],
        *[("13", 3, True), ("14", 2, False), ("15", 1, False)],
    ]
    for number in range(3):
        window = world.window(number)
        labels = world.labels(number)
        for revision in history.revisions(world.monitor, window):
            verdict = history.load_verdict(world.monitor, window, revision)
            known = [collected for _, _, collected in labels if collected < _hour_of(verdict.as_of)]
            assert verdict.numbers["base_rate"].rows == len(known)
            assert verdict.as_of == window.end + timedelta(hours=6 + 24 * (revision - 1))
        assert verdict.final
        assert verdict.numbers["base_rate"].rows == len(labels)


def test_losses_by_cell_add_up_to_the_brier_score(world: Any) -> None:
    verdict = next(v for v in _run(world, 0, 1, 2) if v.window == world.window(0) and v.final)
    key = world.monitor.layout.losses(verdict.window, verdict.revision)
    head, tables = documents.unpack(world.monitor.store.get(key), "losses", 2, key)
    brier = verdict.numbers["brier"]
    assert (set(tables), head["uncounted"]) == ({"amount", "age", "country", "(score)"}, 0)
    for table in tables.values():
        rows, total, _ = table.reshape(-1, 3).sum(axis=0).tolist()
        assert rows == brier.rows
        assert total / 2**22 / rows == pytest.approx(brier.value, abs=2**-22)


def _hour_of(moment: Any) -> Any:
    return moment.replace(minute=0, second=0, microsecond=0)


def test_what_was_known_at_a_time(world: Any) -> None:
    _run(world, *range(3))
    first = world.window(0)
    for revision, hours in ((1, 0), (2, 24), (3, 48)):
        known = history.latest_verdict(world.monitor, first, first.end + timedelta(hours=hours + 6))
        assert known is not None
        assert known.revision == revision
    assert history.latest_verdict(world.monitor, first, first.end) is None
    assert world.monitor.windows()[-1] == world.window(2)


def test_no_new_labels_no_new_look(make_world: MakeWorld) -> None:
    world = make_world(labels={"horizon": "4d"})
    world.train()
    for number in range(DAYS):
        write_captures(world.monitor.store, "captures/toy", world.inferences(number))
    write_labels(world.monitor.store, "labels/toy", world.labels(0))
    _run(world, *range(DAYS))
    # two epochs with labels, two without, and the last look that is always taken
    assert history.revisions(world.monitor, world.window(0)) == [1, 2, 3]
    assert [history.load_verdict(world.monitor, world.window(0), n).final for n in (1, 2, 3)] == [False, False, True]
    assert history.revisions(world.monitor, world.window(1)) == [1]


def test_a_corrected_label_makes_a_new_look_and_both_are_counted(world: Any) -> None:
    _run(world, 0)
    name, label, collected = world.labels(0)[0]
    other = "0" if label == "1" else "1"
    write_labels(world.monitor.store, "labels/toy", [(name, other, collected + timedelta(days=1))])
    before = history.load_verdict(world.monitor, world.window(0), 1).accounting["labels"]
    _run(world, 1)
    after = history.load_verdict(world.monitor, world.window(0), 2).accounting["labels"]
    assert (before["superseded"], before["corrected"]) == (0, 0)
    assert (after["superseded"], after["corrected"], after["conflicting"]) == (1, 1, 0)


def test_a_label_may_be_written_as_any_number(world: Any, make_world: MakeWorld, tmp_path: Path) -> None:
    [plain] = _run(world, 0)
    other = make_world(LocalStore(tmp_path / "other"), columns={"positive": "1.00"})
    other.train()
    write_captures(other.monitor.store, "captures/toy", other.inferences(0))
    labels = [(key, f"{label}.0", collected) for key, label, collected in other.labels(0)]
    write_labels(other.monitor.store, "labels/toy", labels)
    write_labels(other.monitor.store, "labels/toy", [(key, label, moment) for key, label, moment in labels[:9]])
    [found] = _run(other, 0)
    assert found.numbers == plain.numbers
    assert found.numbers["base_rate"].value
    assert found.accounting["labels"]["conflicting"] == 0


def test_a_straggler_is_seen_by_the_next_run(world: Any) -> None:
    _run(world, 0)
    moment = world.window(0).start + timedelta(hours=12)
    unlabelled = {item.event_id for item in world.inferences(0)} - {name for name, *_ in world.labels(0)}
    write_labels(world.monitor.store, "labels/toy", [(name, "1", moment) for name in sorted(unlabelled)])
    _run(world, 1, 2)
    final = history.load_verdict(world.monitor, world.window(0), 3)
    assert (final.numbers["label_coverage"].value, final.final) == (1.0, True)


def test_accounting_adds_up_in_every_verdict(world: Any) -> None:
    world.monitor.store.put("captures/toy/2024/01/12/03/x.jsonl", b"no json\n" * 3)
    write_captures(world.monitor.store, "captures/toy/again", world.inferences(1)[:20])
    world.monitor.store.put("labels/toy/2024/01/12/20/x.jsonl", b"no json\n" * 2)
    for info in world.monitor.store.objects("captures/toy/again/"):
        key = info.key.replace("toy/again", "toy").replace(".jsonl", "-again.jsonl")
        world.monitor.store.put(key, world.monitor.store.get(info.key))
    for verdict in _run(world, *range(DAYS)):
        records, labels = verdict.accounting["records"], verdict.accounting["labels"]
        assert records["read"] == records["profiled"] + records["duplicate"] + sum(records["quarantined"].values())
        parts = ("joined", "superseded", "elsewhere", "quarantined")
        assert labels["read"] == sum(labels[part] for part in parts)
        if verdict.window == world.window(1):
            assert records == {
                "read": 323,
                "profiled": 300,
                "duplicate": 20,
                "quarantined": {"not_json": 3},
                "conflicting": 0,
                "late": 0,
                "waiting": 0,
            }
            assert labels["quarantined"] == 2


# --- the same inputs give the same bytes


def test_a_window_that_is_run_again_gives_the_same_bytes(done: World) -> None:
    store, window = done.monitor.store, done.window(2)
    before = _bytes(store, "toy/")
    _run(done, 2)
    assert _bytes(store, "toy/") == before
    for info in store.objects(done.monitor.layout.window(window)):
        store.delete(info.key)
    _run(done, 2)
    after = _bytes(store, "toy/windows/2024-01-13/")
    assert after == {key: data for key, data in before.items() if key.startswith("toy/windows/2024-01-13/")}
    assert len([key for key in after if key.endswith("verdict.json")]) == 3


def _stages(world: Any, number: int) -> Iterator[str]:
    monitor, window = world.monitor, world.window(number)
    batches = pipeline.pin_inputs(monitor, window)
    yield "pin"
    for batch in range(batches):
        read_batch(monitor, window, batch)
        yield f"batch {batch}"
    complete(monitor, window)
    yield "complete"
    for revision in pipeline.join_labels(monitor, window, reports=False):
        pipeline.measure_and_judge(monitor, revision)
        yield f"{revision.window.label} r{revision.number}"


def _three_days(world: World) -> None:
    world.train()
    world.play(0, 1, 2)


def _two_of_three_days_ran(world: World) -> None:
    _three_days(world)
    _run(world, 0, 1)


def _three_days_ran(world: World) -> None:
    _three_days(world)
    _run(world, 0, 1, 2)


@pytest.fixture
def expected(build_once: BuildOnce) -> dict[str, bytes]:
    """Everything that the first three days leave when nothing is interrupted."""
    world = build_once(_three_days_ran, "expected", capture={"batch_bytes": 60_000})
    return _bytes(world.monitor.store, "toy/")


def test_stopped_after_any_stage_and_run_again(build_once: BuildOnce, expected: dict[str, bytes]) -> None:
    done, stop = False, 0
    while not done:
        world = build_once(_two_of_three_days_ran, f"stopped-{stop}", capture={"batch_bytes": 60_000})
        stages = _stages(world, 2)
        done = len([stage for stage, _ in zip(stages, range(stop), strict=False)]) < stop
        stages.close()
        _run(world, 2)
        assert _bytes(world.monitor.store, "toy/") == expected
        stop += 1
    assert stop >= 7  # pin, two batches, complete, three looks


class _Killed(BaseException):
    """The process ends here."""


class _Failing:
    """A store that dies at its nth write, before or after the write has happened."""

    def __init__(self, store: Store, writes: int, after: bool) -> None:
        self._store, self._left, self._after = store, writes, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name not in ("put", "put_if_absent", "replace"):
            return method

        def write(*arguments: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise _Killed
            result = method(*arguments)
            if self._left == 0:
                raise _Killed
            return result

        return write


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_write_and_run_again(build_once: BuildOnce, expected: dict[str, bytes], after: bool) -> None:
    world = build_once(_three_days, "killed", capture={"batch_bytes": 60_000})
    kills = 0
    for number in (0, 1, 2):
        for write in range(1, 100):
            dying = replace(world.monitor, store=_Failing(world.monitor.store, write, after))
            try:
                pipeline.run_window(dying, world.window(number))
            except _Killed:
                kills += 1
            else:
                break
    assert kills > 20
    found = _bytes(world.monitor.store, "toy/")
    # the labels of an epoch are read when they are looked at: of one before the first window perhaps never
    unread = {key for key in expected.keys() - found.keys() if "/labels/consumed/2024-01-0" in key}
    assert found == {key: data for key, data in expected.items() if key not in unread}


@pytest.mark.parametrize("order", [(4, 3, 2, 1, 0), (2, 0, 4, 1, 3)])
def test_the_order_of_the_runs_does_not_change_a_verdict(world: World, done: World, order: tuple[int, ...]) -> None:
    _run(world, *order)
    found, expected = ({key: measured(data) for key, data in _verdicts(w.monitor.store).items()} for w in (world, done))
    assert found == expected


def test_an_interrupted_week_is_filled_by_the_next_run(world: World, done: World) -> None:
    _run(world, 4)
    [key] = [key for key in _verdicts(world.monitor.store) if "2024-01-15" in key]
    assert measured(world.monitor.store.get(key)) == measured(done.monitor.store.get(key))


@pytest.mark.service
def test_a_directory_and_s3_give_the_same_verdicts(world: Any, make_world: MakeWorld, seaweed: Any) -> None:
    _run(world, *range(3))
    other = make_world(S3Store(seaweed.client, seaweed.bucket, "pipeline"))
    other.train()
    for key, data in _bytes(world.monitor.store, "captures/", "labels/").items():
        other.monitor.store.put(key, data)
    _run(other, *range(3))
    assert _verdicts(other.monitor.store) == _verdicts(world.monitor.store)
    assert _bytes(other.monitor.store, "toy/decisions/") == _bytes(world.monitor.store, "toy/decisions/")


def test_the_size_of_batches_does_not_change_what_is_measured(
    world: Any, make_world: MakeWorld, tmp_path: Path
) -> None:
    [whole] = _run(world, 0)
    other = make_world(LocalStore(tmp_path / "other"), capture={"batch_bytes": 1})
    other.train()
    other.play(0)
    [small] = _run(other, 0)
    assert pipeline.pin_inputs(other.monitor, other.window(0)) == 24
    assert (small.numbers, small.trailing, small.status) == (whole.numbers, whole.trailing, whole.status)
    small_findings, findings = (
        [item for item in verdict.findings if item.check != "unmatched_labels"] for verdict in (small, whole)
    )
    assert small_findings == findings  # more labels are there in the one world than in the other


def test_duplicates_across_batches_are_dropped(make_world: MakeWorld) -> None:
    world = make_world(capture={"batch_bytes": 1})
    world.train()
    items = world.inferences(0)
    write_captures(world.monitor.store, "captures/toy", items)
    write_captures(world.monitor.store, "captures/toy", [replace(i, score=0.0) for i in items[:50]])
    write_captures(world.monitor.store, "captures/toy", [replace(items[0], event_time=items[-1].event_time)])
    [verdict] = _run(world, 0)
    records = verdict.accounting["records"]
    assert (records["read"], records["profiled"], records["duplicate"]) == (351, 300, 51)
    assert verdict.numbers["rows"].value == 300


# --- what changes from run to run


def test_a_changed_configuration_shows_when_a_window_is_run_again(world: Any, make_world: MakeWorld) -> None:
    [before] = _run(world, 0)
    again = make_world(world.monitor.store, checks={"nulls": {"severity": "fail", "limit": 0}})
    [after] = _run(again, 0)
    assert before.status is not after.status
    assert after.status is Status.FAIL
    assert before.inputs["config"] != after.inputs["config"]
    assert before.inputs["captures"] == after.inputs["captures"]


def test_captures_that_come_after_pinning_are_not_read(world: Any) -> None:
    [before] = _run(world, 0)
    write_captures(world.monitor.store, "captures/toy", [replace(world.inferences(0)[0], event_id="late")])
    [after] = _run(world, 0)
    assert after == before


def test_what_was_read_of_a_pinned_object_stays_when_it_changes(world: Any, make_world: MakeWorld) -> None:
    [before] = _run(world, 0)
    [first, *_] = world.monitor.store.objects("captures/toy/2024/01/11/")
    same_size = world.monitor.store.get(first.key).replace(b"2024", b"2042")
    world.monitor.store.put(first.key, same_size)
    assert _run(world, 0) == [before]
    other = make_world(world.monitor.store, columns={"threshold": 0.4})
    with pytest.raises(PinnedObjectChangedError, match="the object was changed after it had been read"):
        _run(other, 0)


def test_nothing_before_the_start_is_looked_back_at(world: Any, make_world: MakeWorld) -> None:
    later = make_world(world.monitor.store, schedule={"start": "2024-01-13"})
    verdicts = _run(later, 2, 3)
    assert [v.trailing_windows for v in verdicts if v.revision == 1] == [
        ("2024-01-13",),
        ("2024-01-13", "2024-01-14"),
    ]
    assert {v.window for v in verdicts} == {world.window(2), world.window(3)}


def test_the_trailing_numbers_are_those_of_all_trailing_windows(world: Any) -> None:
    last = next(v for v in _run(world, *range(DAYS)) if v.window == world.window(2) and v.final)
    assert last.trailing_windows == ("2024-01-11", "2024-01-12", "2024-01-13")
    assert last.trailing["base_rate"].rows == sum(len(world.labels(n)) for n in range(3))


def test_the_state_of_the_model_changes_once_in_the_ledger(world: Any) -> None:
    for number in (1, 2):
        world.replace_captures(number, lambda item: replace(item, features=(None, *item.features[1:])))
    _run(world, *range(DAYS))
    decisions = [history.load_decision(world.monitor, world.window(n), 1) for n in range(DAYS)]
    states = [decision.state for decision in decisions if decision]
    assert states[1:3] == [State.FAILING] * 2
    assert [decision.notify for decision in decisions if decision][1:3] == [True, False]
    assert {n: bool(history.load_decision(world.monitor, world.window(0), n)) for n in (1, 2, 3, 4)} == {
        1: True,
        2: True,
        3: True,
        4: False,
    }


# --- dirt


def test_an_empty_window_is_unknown_and_the_run_goes_on(world: Any) -> None:
    _run(world, 0)
    for info in world.monitor.store.objects("captures/toy/2024/01/12/"):
        world.monitor.store.delete(info.key)
    found = next(v for v in _run(world, 1) if v.window == world.window(1))
    assert (found.status, found.findings[0].code) == (Status.UNKNOWN, Code.NO_DATA)
    [after] = [v for v in _run(world, 2) if v.window == world.window(2)]
    assert after.trailing_windows == ("2024-01-11", "2024-01-13")
    assert after.status is not Status.UNKNOWN or after.findings[0].code is Code.TOO_FEW_LABELS


def test_a_world_without_anything_is_unknown(make_world: MakeWorld) -> None:
    [verdict] = _run(make_world(), 0)
    assert (verdict.status, verdict.findings[0].code) == (Status.UNKNOWN, Code.NO_DATA)


def test_a_baseline_of_other_columns_is_none(world: Any, make_world: MakeWorld) -> None:
    other = make_world(world.monitor.store, columns={"features": {"age": "categorical"}})
    [verdict] = _run(other, 0)
    assert (verdict.status, verdict.findings[0].code) == (Status.UNKNOWN, Code.NO_BASELINE)


def test_without_a_baseline_a_window_is_unknown_and_says_what_to_do(make_world: MakeWorld) -> None:
    world = make_world()
    world.play(0)
    [verdict] = _run(world, 0)
    assert (verdict.status, verdict.inputs["baseline"]) == (Status.UNKNOWN, "")
    assert verdict.headline == "There is no baseline for these columns. Make one with `model-monitor baseline toy`."
    assert verdict.numbers["rows"].value == 300
    # as soon as there is one, a rerun measures what was read before
    world.train()
    [after] = _run(world, 0)
    assert after.numbers == verdict.numbers
    assert after.findings[0].code is not Code.NO_BASELINE


@contextmanager
def _json_payloads(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[Callable[[Any, int], None]]:
    """Captures whose requests are JSON objects, each one changed."""

    def write(world: Any, number: int) -> None:
        for info in world.monitor.store.objects(f"captures/toy/{world.window(number).start:%Y/%m/%d}/"):
            lines = []
            for line in world.monitor.store.get(info.key).splitlines():
                record = json.loads(line)
                side = record["captureData"]["endpointInput"]
                values = dict(zip(("amount", "age", "country"), side["data"].split(","), strict=True))
                side |= {"data": json.dumps(change(values)), "encoding": "JSON"}
                lines.append(json.dumps(record))
            world.monitor.store.put(info.key, "\n".join(lines).encode())

    yield write


def _half_unseen(row: dict[str, Any]) -> dict[str, Any]:
    return row | ({"country": "xx"} if row["amount"] > "5" else {})


@pytest.mark.parametrize(
    ("change", "subject", "code", "status"),
    [
        (lambda row: {k: v for k, v in row.items() if k != "age"}, "age", Code.COLUMN_MISSING, Status.FAIL),
        (lambda row: row | {"age": None}, "age", Code.COLUMN_ALL_NULL, Status.FAIL),
        (lambda row: row | {"age": f"{row['age']} years"}, "age", Code.COLUMN_TYPE_CHANGED, Status.FAIL),
        (lambda row: row | {"height": 1.8}, "height", Code.COLUMN_NEW, Status.INFO),
        (_half_unseen, "country", Code.UNSEEN_CATEGORIES, Status.WARN),
    ],
)
def test_one_broken_column_is_found_and_the_others_are_measured(
    world: Any, change: Callable[[dict[str, Any]], dict[str, Any]], subject: str, code: Code, status: Status
) -> None:
    with _json_payloads(change) as write:
        write(world, 0)
    [verdict] = _run(world, 0)
    assert code in _codes(verdict, subject)
    assert {f.status for f in verdict.findings if f.code is code} == {status}
    for other in {"amount", "age", "country"} - {subject}:
        assert _codes(verdict, other) <= {Code.WITHIN_LIMITS, Code.FEATURE_DRIFT}
        assert {f.check for f in verdict.findings if f.subject == other and f.measurement} >= {"nulls", "feature_drift"}
    assert verdict.numbers["roc_auc"].value is not None
    assert verdict.accounting["records"]["quarantined"] == {}


def test_single_bad_rows_do_not_make_a_finding_of_their_column(world: Any) -> None:
    def change(item: CapturedInference) -> CapturedInference:
        return replace(item, features=("?", *item.features[1:])) if item.event_id.endswith("00") else item

    world.replace_captures(0, change)
    [verdict] = _run(world, 0)
    assert verdict.accounting["records"]["quarantined"] == {"unparsable_field": 3}
    assert verdict.numbers["rows"].value == 297
    assert _codes(verdict, "amount") <= {Code.WITHIN_LIMITS, Code.FEATURE_DRIFT}
    lines = world.monitor.store.get(world.monitor.layout.quarantine(world.window(0), 0, 0)).splitlines()
    assert [json.loads(line)["detail"] for line in lines] == ["amount: not numeric"] * 3


def test_the_table_of_metrics_holds_the_verdicts_numbers(world: Any, tmp_path: Path) -> None:
    [verdict] = _run(world, 0)
    (tmp_path / "m.parquet").write_bytes(world.monitor.store.get(world.monitor.layout.metrics(world.window(0), 1)))
    rows = pq.read_table(tmp_path / "m.parquet").to_pylist()
    window = {row["name"]: row["value"] for row in rows if row["scope"] == "window"}
    assert window == {name: number.value for name, number in verdict.numbers.items()}
    checks = {(row["check"], row["subject"]): row["status"] for row in rows if row["scope"] == "check"}
    assert checks == {(f.check, f.subject): f.status for f in verdict.findings if f.measurement}
