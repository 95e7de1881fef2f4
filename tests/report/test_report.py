"""Reports: their words, their numbers, their bytes, and what bad data do to them."""

from __future__ import annotations

import html
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle, permutations
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from monitoring import history, pipeline
from monitoring.baseline import create_baseline
from monitoring.capture import write_captures
from monitoring.capture.writer import write_labels
from monitoring.decide.telling import ActionKind, IncidentAction
from monitoring.incidents import load_incidents, record_action
from monitoring.judge.advice import advice
from monitoring.report import load_rows, write_report
from monitoring.report.facts import gather
from monitoring.report.metrics import run_metrics
from monitoring.report.page import asset_names, ensure_assets, in_order, render, script_json
from monitoring.report.parts import all_parts
from monitoring.report.text import short
from monitoring.store.s3 import S3Store
from tests.conftest import training_rows

MakeWorld = Callable[..., Any]
_STATUS = {"ok": "SUCCESS", "info": "SUCCESS", "warn": "WARNING", "fail": "FAIL", "unknown": "ERROR"}
_DATA = re.compile(r'<script type="application/json" id="(\w+)-data">(.*?)</script>', re.DOTALL)


def page_of(world: Any, number: int, revision: int = 1) -> str:
    key = write_report(world.monitor, world.window(number), revision)
    assert key == world.monitor.layout.report(world.window(number), revision)
    return str(world.monitor.store.get(key).decode())


def with_settings(world: Any, make_world: MakeWorld, **changes: Any) -> Any:
    return make_world(world.monitor.store, **changes)


def words_of(page: str) -> str:
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(text))


# --- words


def test_a_failing_window_says_what_is_wrong_since_when_and_what_was_decided(failing: Any) -> None:
    words = words_of(page_of(failing, 2))
    verdict = history.load_verdict(failing.monitor, failing.window(2), 1)
    decision = history.load_decision(failing.monitor, failing.window(2), 1)
    assert decision is not None
    assert verdict.headline.split(" And ")[0] in words
    for finding in verdict.of_status("fail", "warn", "unknown"):
        assert finding.message in words
    assert "Failing since 2024-01-11 (3 days)." in words
    assert "Retraining is not configured for this model." in words
    assert "Provisional : labels collected before 2024-01-14 06:00 UTC count" in words
    assert "does not make it the cause" in words or "Nothing for sure: the 3 features" in words
    records = verdict.accounting["records"]
    assert f"Records: {records['read']} read = {records['profiled']} profiled + 0 duplicate + 0 quarantined." in words


def test_a_failing_window_says_how_sure_that_is_and_what_to_do_first(failing: Any) -> None:
    words = words_of(page_of(failing, 2))
    verdict = history.load_verdict(failing.monitor, failing.window(2), 1)
    worst = verdict.findings[0]
    assert advice(worst.code) in words
    assert f"{short(worst.baseline)}, limit {short(worst.limit)}; 900 rows over 3 days" in words
    assert "How sure Windows like the baseline's are so far off" in words
    assert verdict.why is not None
    assert f"Why performance is bad {verdict.why['sentence']}" in words
    assert "questions could fail, warn or inform. With nothing changed, at most" in words
    assert "(the configuration allows 0.05)" in words
    ledger = load_incidents(failing.monitor, failing.window(2))
    assert ledger is not None
    active = [incident for incident in ledger.incidents if incident.active]
    assert f"{len(active)} incidents open" in words
    assert all(incident.fingerprint in words for incident in active)
    assert f"All {len(verdict.findings)} checks, and what each could have found" in words


def test_a_report_says_who_is_at_an_incident(failing: Any) -> None:
    before = page_of(failing, 2)
    assert before.count("<td>nobody</td>") == before.count("<code>")
    ledger = load_incidents(failing.monitor, failing.window(2))
    assert ledger is not None
    done = (ledger.incidents[0].fingerprint, ActionKind.ACKNOWLEDGE, "Ada <x>", datetime(2024, 1, 14, 7, tzinfo=UTC))
    record_action(failing.monitor, IncidentAction(*done))
    after = page_of(failing, 2)
    assert after == before.replace("<td>nobody</td>", "<td>acknowledged by Ada &lt;x&gt;</td>", 1)


def test_late_and_conflicting_records_are_accounted_for(judged: Any) -> None:
    facts = gather(judged.monitor, judged.window(0), 1)
    records = {"read": 5, "profiled": 4, "duplicate": 1, "quarantined": {}, "late": 2, "conflicting": 1, "waiting": 0}
    verdict = replace(facts.verdict, accounting={"records": records})
    words = words_of(render(replace(facts, verdict=verdict), None).decode())
    assert "5 read = 4 profiled + 1 duplicate + 0 quarantined. Late: 2. Conflicting event ids: 1." in words
    assert "Waiting" not in words


def test_a_healthy_window_says_so(judged: Any) -> None:
    words = words_of(page_of(judged, 0, 3))
    assert "Nothing fails or warns: " in words
    assert "No incident is open." in words
    assert "No run of failures is under way." in words
    assert "Final : the labels' horizon has passed" in words


def test_a_window_without_records_is_reported_in_words(judged: Any) -> None:
    judge_empty = judged.window(6)
    pipeline.run_window(judged.monitor, judge_empty)
    words = words_of(page_of(judged, 6))
    assert "There are no records for 2024-01-17" in words
    assert "UNKNOWN" in words
    assert "Distributions were not compared." in words


def test_a_window_without_a_baseline_is_reported_in_words(make_world: MakeWorld) -> None:
    world = make_world()
    world.play(0)
    pipeline.run_window(world.monitor, world.window(0))
    assert "There is no baseline for these columns." in words_of(page_of(world, 0))


def test_a_model_without_labels_is_reported(make_world: MakeWorld) -> None:
    world = make_world(labels=None, report={"native": "never"})
    world.train()
    world.play(0)
    pipeline.run_window(world.monitor, world.window(0))
    assert "No labels are configured" in words_of(page_of(world, 0))


# --- numbers


def test_evidently_tests_agree_with_the_findings(failing: Any) -> None:
    facts = gather(failing.monitor, failing.window(3), 1)
    snapshot = run_metrics(all_parts(facts), facts.verdict.window.start)
    shown = [(test.status.value, test.description.removeprefix(_EVIDENCE)) for test in snapshot.tests_results]
    assert shown == [(_STATUS[finding.status], finding.message) for finding in facts.verdict.findings]
    assert "FAIL" in dict(shown)


_EVIDENCE = "Evidence, which changes no verdict: "


def test_a_metric_has_the_same_id_every_day(failing: Any) -> None:
    ids = []
    for number in (2, 3):
        facts = gather(failing.monitor, failing.window(number), 1)
        ids.append(set(run_metrics(all_parts(facts), facts.verdict.window.start).metric_results))
    assert ids[0] == ids[1]


def test_history_shows_what_was_known_at_the_time(judged: Any) -> None:
    facts = gather(judged.monitor, judged.window(1), 1)
    assert [(past.window.label, past.revision) for past in facts.past] == [("2024-01-11", 2), ("2024-01-12", 1)]


# --- values of single rows


def _with_rare_categories(world: Any) -> None:
    """A day with categories that three and six rows hold, and one row with a number like no other."""
    world.train()
    world.play(0)
    rare = iter(["three"] * 3 + ["six"] * 6)
    far = iter([654321.0])

    def change(item: Any) -> Any:
        amount, age, country = item.features
        return replace(item, features=[next(far, amount), age, next(rare, country)])

    world.replace_captures(0, change)
    pipeline.run_window(world.monitor, world.window(0))


def test_a_report_names_no_rare_category_and_no_extreme(make_world: MakeWorld) -> None:
    world = make_world(report={"native": "never"})
    _with_rare_categories(world)
    page = page_of(world, 0)
    assert "9 rows not in the baseline (six)" in page
    assert "three" not in page
    assert "6.543e+05" not in page
    assert '"Deviation"' in page
    shown = with_settings(world, make_world, report={"native": "never"}, columns={"privacy": {"show_rows": True}})
    page = page_of(shown, 0)
    assert "9 rows not in the baseline (six, three)" in page
    assert "\\u00a06.543e+05" in page
    assert '"Range"' in page


def test_rare_categories_of_a_chart_are_one_bar(make_world: MakeWorld) -> None:
    world = make_world()
    store = world.monitor.store
    world.train()
    table = pq.read_table(io.BytesIO(store.get("training/toy.parquet")))
    countries = ["solo", "duo", "duo", *table["country"].to_pylist()[3:]]
    sink = io.BytesIO()
    pq.write_table(table.set_column(table.column_names.index("country"), "country", [countries]), sink)
    store.put("training/toy.parquet", sink.getvalue())
    store.delete("toy/baseline/current.json")
    create_baseline(world.monitor)
    world.play(0)
    some = cycle(["duo", "de"])
    world.replace_captures(0, lambda item: replace(item, features=[*item.features[:2], next(some)]))
    pipeline.run_window(world.monitor, world.window(0))
    for show_rows, names in ((False, ["de", "at", "ch", "li", "duo", "(rare)"]), (True, None)):
        rules = {"privacy": {"show_rows": show_rows}}
        facts = gather(make_world(store, columns=rules).monitor, world.window(0), 1)
        part = all_parts(facts)["drift:country"]
        assert part["cells"] == (names or ["de", "at", "ch", "li", "duo", "solo"])
        for shares in (part["baseline"], part["trailing"], part["window"]):
            assert sum(shares) == pytest.approx(1)
        assert part["baseline"][-1] == pytest.approx(1 / 3000)


def test_numbers_of_few_rows_have_no_mean(make_world: MakeWorld) -> None:
    world = make_world(report={"native": "never"})
    world.train()
    world.play(0)
    some = iter([654321.0] * 4)
    world.replace_captures(0, lambda item: replace(item, features=[next(some, None), *item.features[1:]]))
    pipeline.run_window(world.monitor, world.window(0))
    assert "6.543e+05" not in page_of(world, 0)
    rows = all_parts(gather(world.monitor, world.window(0), 1))["table:quality"]["rows"]
    [(mean, baseline_mean, deviation)] = [row[5:8] for row in rows if row[0] == "amount"]
    assert (mean, deviation) == ("–", "–")
    assert float(baseline_mean) > 0


# --- other tasks


@pytest.mark.parametrize(("task", "scale"), [("regression", 1000.0), ("multiclass", 1.0)])
def test_a_model_that_is_not_binary_is_reported(make_world: MakeWorld, task: str, scale: float) -> None:
    world = make_world(labels=None, columns={"task": task}, report={"native": "always"})
    store = world.monitor.store
    table = pq.read_table(io.BytesIO(training_rows()))
    scores = pc.multiply(table["score"], scale)
    sink = io.BytesIO()
    pq.write_table(table.set_column(table.column_names.index("score"), "score", scores), sink)
    store.put("training/toy.parquet", sink.getvalue())
    create_baseline(world.monitor)
    world.play(0)
    world.replace_captures(0, lambda item: replace(item, score=scale * item.score))
    pipeline.run_window(world.monitor, world.window(0))
    part = all_parts(gather(world.monitor, world.window(0), 1))["chart:score"]
    assert sum(part["window"]) == pytest.approx(1)
    assert ("cells" in part) == (task == "regression")
    assert part.get("threshold") is None
    page = page_of(world, 0)
    assert HEADING in page
    assert "could not be computed" not in page


def _classes(countries: list[str], ones: list[bool]) -> list[str]:
    """Three classes, spelled as numbers are captured."""
    return ["2.5" if country == "de" else "1.5" if one else "0.5" for country, one in zip(countries, ones, strict=True)]


def _play_classes(world: Any) -> None:
    """A day and training rows of a model with three classes."""
    table = pq.read_table(io.BytesIO(training_rows()))
    countries, scores = table["country"].to_pylist(), table["score"].to_pylist()
    table = table.drop_columns("label")
    table = table.append_column("class", [_classes(countries, [score > 0.5 for score in scores])])
    truth = [label == "1" for label in pq.read_table(io.BytesIO(training_rows()))["label"].to_pylist()]
    sink = io.BytesIO()
    pq.write_table(table.append_column("label", [_classes(countries, truth)]), sink)
    world.monitor.store.put("training/toy.parquet", sink.getvalue())
    items = world.inferences(0)
    said = _classes([item.features[2] for item in items], [item.score > 0.5 for item in items])
    answers = [replace(item, score=float(name)) for item, name in zip(items, said, strict=True)]
    write_captures(world.monitor.store, "captures/toy", answers)
    country = {item.event_id: item.features[2] for item in items}
    labels = [(key, *_classes([country[key]], [label == "1"]), moment) for key, label, moment in world.labels(0)]
    write_labels(world.monitor.store, "labels/toy", labels)


def test_performance_of_several_classes_is_reported(make_world: MakeWorld) -> None:
    columns = {"task": "multiclass", "outputs": ["class"], "score": "", "prediction": "class"}
    world = make_world(columns=columns, report={"native": "always"})
    _play_classes(world)
    create_baseline(world.monitor)
    pipeline.run_window(world.monitor, world.window(0))
    page = page_of(world, 0)
    accuracy = gather(world.monitor, world.window(0), 1).measured.own.numbers["accuracy"].value  # type: ignore[union-attr]
    assert f"after the end of the day. Accuracy {accuracy:.3f} [" in words_of(page)
    assert accuracy > 0.8
    assert "Classification quality" in page
    assert "could not be computed" not in page


def test_performance_of_a_regression_is_reported(make_world: MakeWorld) -> None:
    world = make_world(columns={"task": "regression"}, report={"native": "always"})
    world.train()
    world.play(0)
    pipeline.run_window(world.monitor, world.window(0))
    page = page_of(world, 0)
    assert "after the end of the day. Mean absolute error 0.3" in words_of(page)
    assert "Regression quality" in page
    assert "could not be computed" not in page
    assert "only means are drawn" in page
    assert "Max Error" not in page
    shown = with_settings(world, make_world, columns={"task": "regression", "privacy": {"show_rows": True}})
    assert "Max Error" in page_of(shown, 0)


def test_a_model_without_scores_is_reported(make_world: MakeWorld) -> None:
    world = make_world(labels=None, columns={"outputs": [], "score": ""}, report={"native": "always"})
    world.train()
    world.play(0)
    pipeline.run_window(world.monitor, world.window(0))
    assert "chart:score" not in all_parts(gather(world.monitor, world.window(0), 1))
    assert "Column (score) has too few usable values in the window and in the baseline: left out." in words_of(
        page_of(world, 0)
    )


# --- bytes


def test_the_same_inputs_give_the_same_bytes(failing: Any, tmp_path: Path) -> None:
    once = page_of(failing, 3)
    assert page_of(failing, 3) == once
    code = (
        "import sys\nfrom pathlib import Path\nfrom monitoring.config import ModelConfig\n"
        "from monitoring.monitor import Monitor\nfrom monitoring.report import write_report\n"
        "from monitoring.store.local import LocalStore\n"
        "monitor = Monitor(LocalStore(Path(sys.argv[1])), ModelConfig.model_validate_json(sys.argv[2]))\n"
        "write_report(monitor, monitor.window('2024-01-14'), 1)\n"
    )
    key = failing.monitor.layout.report(failing.window(3), 1)
    config = failing.monitor.config.model_dump_json(by_alias=True)
    for seed in ("1", "2"):  # Evidently goes through sets of categories
        copy = tmp_path / seed
        shutil.copytree(failing.monitor.store.uri, copy)
        shutil.rmtree(copy / "site")
        (copy / key).unlink()
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", code, str(copy), config], check=True, env=environment)
        assert (copy / key).read_text() == once
        for info in failing.monitor.store.objects("site/"):
            assert (copy / info.key).read_bytes() == failing.monitor.store.get(info.key)


def test_the_categories_of_a_summary_stand_in_one_order() -> None:
    rows = [{"label": label, "values": []} for label in ("count", "missing", "LGA", "EWR", "JFK")]
    for shuffled in permutations(rows[2:]):
        [widget] = in_order([{"params": {"description": "cat", "metrics": [*rows[:2], *shuffled]}}])
        assert [row["label"] for row in widget["params"]["metrics"]] == ["count", "missing", "EWR", "JFK", "LGA"]


def test_the_data_in_a_page_are_strict_json_without_random_ids(failing: Any) -> None:
    page = page_of(failing, 3)
    blocks = dict(_DATA.findall(page))
    assert set(blocks) == {"performance", "measurements", "sample"}
    for block in blocks.values():
        json.loads(block, parse_constant=pytest.fail)
        assert not set("<>&") & set(block)
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-", page)


def test_markup_cannot_leave_a_script_element() -> None:
    assert json.loads(script_json({"<b>": "</script>&"})) == {"<b>": "</script>&"}
    assert not set("<>&") & set(script_json({"<b>": "</script>&"}))


def test_a_report_is_small(failing: Any, make_world: MakeWorld) -> None:
    natives = len(page_of(failing, 3))
    plain = len(page_of(with_settings(failing, make_world, report={"native": "never"}), 3))
    assert plain < 100_000
    assert natives < 1_000_000


def test_shared_files_are_written_once_and_carry_the_version(judged: Any) -> None:
    store = judged.monitor.store
    write_report(judged.monitor, judged.window(0), 1)
    names = asset_names()
    assert {info.key for info in store.objects("site/assets/")} == {
        f"site/assets/{name}" for name in (names.library, names.font, names.licences, names.boot)
    }
    assert names.library.startswith("evidently-0.")
    store.put(f"site/assets/{names.boot}", b"kept")
    ensure_assets(store)
    assert store.get(f"site/assets/{names.boot}") == b"kept"


@pytest.mark.service
def test_a_directory_and_s3_get_the_same_pages(judged: Any, make_world: MakeWorld, seaweed: Any) -> None:
    other = make_world(S3Store(seaweed.client, seaweed.bucket, "report"), report={"native": "never"})
    for info in judged.monitor.store.objects("toy/"):
        other.monitor.store.put(info.key, judged.monitor.store.get(info.key))
    assert page_of(other, 1, 2) == page_of(judged, 1, 2)
    assert load_rows(other.monitor.store) == load_rows(judged.monitor.store)


# --- Evidently's own presets


HEADING = "For exploring, never the verdict."


def test_presets_come_always_or_never(judged: Any, make_world: MakeWorld) -> None:
    assert HEADING not in page_of(judged, 3)
    assert HEADING in page_of(with_settings(judged, make_world, report={"native": "always"}), 3)


def test_presets_come_with_findings_only(judged: Any, make_world: MakeWorld) -> None:
    world = with_settings(judged, make_world, report={"native": "findings"})
    for number in range(4):
        bad = history.load_verdict(world.monitor, world.window(number), 1).of_status("warn", "fail")
        assert (HEADING in page_of(world, number)) == bool(bad)


def test_presets_come_when_a_window_fails(failing: Any) -> None:
    assert HEADING in page_of(failing, 3)


def test_the_sample_is_bounded(failing: Any, make_world: MakeWorld) -> None:
    world = with_settings(failing, make_world, report={"native": "always", "sample_rows": 150})
    assert "150 rows of this window" in words_of(page_of(world, 3))


def test_a_preset_that_fails_is_named_and_the_report_is_written(make_world: MakeWorld) -> None:
    world = make_world(report={"native": "always"})
    world.train()
    world.play(0)
    for info in world.monitor.store.objects("labels/"):
        world.monitor.store.delete(info.key)
    world.replace_captures(0, lambda item: replace(item, features=[None, *item.features[1:]]))
    pipeline.run_window(world.monitor, world.window(0))
    words = words_of(page_of(world, 0))
    assert "Classification quality could not be computed on this sample: ValueError: the sample of the window" in words
    assert "Column amount has too few usable values in the window: left out." in words
    assert "Column amount is null in all 300 rows." in words


@pytest.mark.parametrize("value", ["1e307", "-1e307", "inf", "nan", "abc"])
def test_dirty_values_do_not_stop_a_report(make_world: MakeWorld, value: str) -> None:
    world = make_world(report={"native": "always"})
    world.train()
    world.play(0)
    world.replace_captures(0, lambda item: replace(item, features=[value, *item.features[1:]]))
    pipeline.run_window(world.monitor, world.window(0))
    assert "Evidently" in page_of(world, 0)


def test_rendering_leaves_its_inputs_alone(failing: Any) -> None:
    facts = gather(failing.monitor, failing.window(1), 1)
    before = facts.verdict.to_json()
    assert render(facts, None) == render(facts, None)
    assert facts.verdict.to_json() == before
