"""Which objects belong together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from monitoring.capture.inspect.logs import Log, Survey, survey
from monitoring.capture.inspect.probe import Seen
from monitoring.capture.inspect.text import propose, quoted

DAY = datetime(2024, 1, 11, tzinfo=UTC)
A = [{"age": i, "score": i / 100} for i in range(30)]
B = [{"price": i * 7.5, "rooms": i % 5, "prediction": i * 100.5} for i in range(30)]


def seen(key: str, rows: list[dict[str, Any]] = A, kind: str = "jsonl", **more: Any) -> Seen:
    return Seen(key, 100, DAY, kind, rows, rows, together=True, **more)


def side(key: str, *, request: bool, rows: list[dict[str, Any]] = A) -> Seen:
    return Seen(key, 100, DAY, "kserve", rows if request else [], [] if request else rows)


def places(found: Survey) -> list[tuple[str, str, int]]:
    return [("/".join(log.folder), log.pattern, len(log.objects)) for log in found.logs]


def test_folders_beside_each_other_are_one_log_if_they_hold_the_same() -> None:
    keys = [f"ep/{variant}/2024/01/{day}/a" for variant in ("blue", "green") for day in (11, 12)]
    assert places(survey([seen(key) for key in keys])) == [("ep", "*/%Y/%m/%d", 4)]
    others = [seen(f"ep/{name}/2024/01/11/a", rows) for name, rows in (("x", A), ("y", B), ("y", B))]
    assert places(survey(others)) == [("ep/y", "%Y/%m/%d", 2), ("ep/x", "%Y/%m/%d", 1)]


def test_only_one_level_of_folders_can_vary() -> None:
    keys = [f"{endpoint}/{variant}/2024/01/11/a" for endpoint in ("e1", "e2") for variant in ("v1", "v2")]
    assert places(survey([seen(key) for key in keys])) == [("e1", "*/%Y/%m/%d", 2), ("e2", "*/%Y/%m/%d", 2)]


def test_two_sides_are_one_log() -> None:
    objects = [side(f"{name}/2024/01/11/10/a", request=name == "in", rows=A) for name in ("in", "out")]
    assert places(survey(objects)) == [("", "*/%Y/%m/%d/%H", 2)]
    objects = [side(f"{name}-{part}", request=part == "request") for name in "ab" for part in ("request", "response")]
    assert places(survey(objects)) == [("", "", 4)]


def test_fields_without_names_do_not_make_one_log_of_two_folders() -> None:
    rows = [{"x0": i, "x1": i} for i in range(5)]
    found = survey([side(f"{isvc}/{i}", request=True, rows=rows) for isvc in ("a", "b") for i in range(3)])
    assert places(found) == [("a", "", 3), ("b", "", 3)]


def test_without_dates_what_is_alike_is_one_log() -> None:
    found = survey([seen(f"region={name}/{i}.jsonl") for name in ("at", "ch") for i in range(3)])
    assert places(found) == [("", "", 6)]


def test_other_columns_in_the_same_folders_are_told() -> None:
    found = survey([seen("a.jsonl"), seen("b.jsonl"), seen("labels.jsonl", B)])
    assert places(found) == [("", "", 2)]
    assert found.logs[0].notes == ["1 of 3 objects in the same folders hold other columns"]


def test_a_single_object_beside_a_log_is_no_log() -> None:
    objects = [seen(f"2024/01/{day}/a") for day in range(11, 31)] + [seen("training.csv", B, "csv")]
    found = survey(objects)
    assert places(found) == [("", "%Y/%m/%d", 20)]
    assert found.beside == {"csv in the folder itself": 1}


def test_days_without_leading_zeros_are_told() -> None:
    found = survey([seen(f"year=2024/month=1/day={day}/a") for day in (1, 2)])
    assert places(found) == [("year=2024/month=1", "", 2)]
    assert any("leading zeros" in note for note in found.logs[0].notes)


def test_names_are_quoted_where_yaml_would_misread_them() -> None:
    for name in ("a", "no", "1", "a: b", "#", "", " x", "ä\u2028", "\x7f", "*/%Y", "s3://b/a=1", "null", "'", '"'):
        assert yaml.safe_load(f"{quoted(name)}: {quoted(name)}") == {name: name}
        assert "\n" not in quoted(name)


def test_what_is_written_is_a_model() -> None:
    found = survey([seen(f"dt=2024-01-{day}/a", B, "parquet") for day in (11, 12)])
    config = propose("flats", "/logs", found.logs[0]).config()
    assert config.columns.features == {"price": "numeric", "rooms": "numeric"}
    assert (config.columns.task, config.columns.score) == ("regression", "prediction")
    assert config.capture.dates == "delivery"
    assert config.schedule.start == DAY.date() - timedelta(days=1)  # it reads what came in the first hours of the 11th


def test_an_answer_has_a_name_in_some_bodies_and_none_in_others() -> None:
    named, unnamed = [{"score": i / 100} for i in range(30)], [{"y0": i / 100} for i in range(30)]
    answers = [unnamed, named, unnamed[:2] + named, unnamed]
    objects = [Seen(f"2024/01/{i + 11}/a", 100, DAY, "sagemaker", A, rows) for i, rows in enumerate(answers)]
    log = survey(objects).logs[0]
    assert (len(log.objects), log.meaning.answer.score, log.meaning.outputs) == (4, "score", ["score"])
    two = [{"score": i / 100, "other": i} for i in range(30)]
    objects = [
        Seen(f"2024/01/{i + 11}/a", 100, DAY, "sagemaker", A, rows) for i, rows in enumerate([unnamed, two, two])
    ]
    assert len(survey(objects).logs[0].objects) == 2


def test_copies_of_rows_without_a_time_are_not_looked_for_in_their_folders() -> None:
    def log(written: datetime) -> Log:
        objects = [Seen(f"2024/01/{day}/a", 100, written, "jsonl", A, A, together=True) for day in (11, 12)]
        return survey(objects).logs[0]

    assert log(DAY + timedelta(days=2)).dated_by == "delivery"
    copied = log(DAY + timedelta(days=300))
    assert (copied.dated_by, copied.start, len(copied.notes)) == ("nothing", None, 1)


def test_calls_that_failed_do_not_make_another_log() -> None:
    answers: list[dict[str, Any]] = [{"score": i / 100} for i in range(30)]
    bodies = [answers, [*answers[:2], {"error": "no"}, *answers[2:]], answers]
    objects = [Seen(f"2024/01/{i + 11}/a", 100, DAY, "sagemaker", A, rows) for i, rows in enumerate(bodies)]
    assert len(survey(objects).logs[0].objects) == 3
