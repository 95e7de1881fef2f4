"""The command line: exit codes, output for people and for programs, and one line for what cannot be done."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from monitoring import cli, history, pipeline
from monitoring.capture import CapturedInference, write_captures
from monitoring.capture.writer import write_labels
from monitoring.cli.common import EXIT
from monitoring.config import ModelConfig
from monitoring.judge import Status
from monitoring.monitor import Monitor
from monitoring.store import Store
from monitoring.store.local import LocalStore
from tests.conftest import World, make_day, merged, training_rows

MakeWorld = Callable[..., World]
# what happens on each day, by its number
OK, WARNED, FAILED, EMPTY = range(4)
CODES = {OK: 0, WARNED: 2, FAILED: 1, EMPTY: 4}


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output, read by a program."""
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def models(tmp_path: Path, settings: dict[str, Any]) -> Path:
    """A directory with the toy model."""
    folder = tmp_path / "models"
    folder.mkdir()
    text = yaml.safe_dump(merged(settings, {"trailing": 1, "report": {"native": "never"}}), sort_keys=False)
    (folder / "toy.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the world is kept that each test gets a copy of."""
    return tmp_path_factory.mktemp("cli") / "store"


def _play(world: World, number: int, change: Callable[[CapturedInference], CapturedInference]) -> None:
    """Let a day happen, each inference changed; all labels come at its end."""
    write_captures(world.monitor.store, "captures/toy", map(change, world.inferences(number)))
    day, moment = make_day(number), world.window(number + 1).start
    labels = [(key, label, moment) for key, label in zip(day.ids, day.labels, strict=True)]
    write_labels(world.monitor.store, "labels/toy", labels)


def _unseen(item: CapturedInference) -> CapturedInference:
    """Every second country as one that training never saw; not all of them, which would break the column."""
    return replace(item, features=(*item.features[:2], "xx")) if int(item.event_id[-1]) % 2 else item


@pytest.fixture
def world(make_world: MakeWorld, prepared: Path, tmp_path: Path) -> World:
    """A good day, one with unseen categories, one with opposite scores, and one without anything."""
    changes = {"trailing": 1, "report": {"native": "never"}}
    if not prepared.exists():
        first = make_world(LocalStore(prepared), **changes)
        first.train()
        _play(first, OK, lambda item: item)
        _play(first, WARNED, _unseen)
        _play(first, FAILED, lambda item: replace(item, score=1 - item.score))
    shutil.copytree(prepared, tmp_path / "store")
    return make_world(LocalStore(tmp_path / "store"), **changes)


@pytest.fixture
def run(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command as the shell does, in a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")

    def command(*arguments: str, **options: Path) -> Result:
        given = {"store": tmp_path / "store", "models": models} | options
        pairs = [text for name, value in given.items() for text in (f"--{name}", str(value))]
        monkeypatch.setattr(sys, "argv", ["model-monitor", *pairs, *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert isinstance(stop.value.code, int)
        return Result(stop.value.code, out, err)

    return command


def _label(world: World, number: int) -> str:
    return world.window(number).label


# --- what goes well


def test_help_and_version(run: Run) -> None:
    assert run("--version").code == 0
    found = run("--help")
    assert found.code == 0
    for name in ("validate", "baseline", "run", "backfill", "status", "replay", "calibrate", "serve"):
        assert f"\n  {name} " in found.out
        assert run(name, "--help").code == 0


def test_validate(run: Run, models: Path) -> None:
    assert run("validate") == run("validate", "toy") == Result(0, "toy: valid\n", "")
    assert run("validate", "--json").json == {"valid": ["toy"], "errors": []}
    (models / "bad.yaml").write_text("name: bad\nname: worse\n")
    found = run("validate")
    assert (found.code, found.out) == (3, "toy: valid\n")
    assert found.err == f"error: {models}/bad.yaml:2: 'name' is given twice\n"
    found = run("validate", "--json")
    assert (found.code, found.json["valid"], len(found.json["errors"])) == (3, ["toy"], 1)
    assert run("validate", "bad").code == 3


def test_validate_without_models(run: Run, tmp_path: Path) -> None:
    found = run("validate", models=tmp_path)
    assert (found.code, found.err) == (3, f"no models in {tmp_path}\n")


def test_baseline(run: Run, tmp_path: Path) -> None:
    LocalStore(tmp_path / "store").put("training/toy.parquet", training_rows())
    found = run("baseline", "toy", "--version", "v1")
    assert (found.code, found.err) == (0, "")
    assert found.out.startswith("toy: baseline v1, 3000 rows in 10 days\n")
    assert "feature_drift:country" in found.out
    again = run("baseline", "toy", "--version", "v1", "--json").json
    assert (again["version"], again["rows"], again["windows"]) == ("v1", 3000, 10)
    assert "feature_drift:country" in again["spreads"]
    (tmp_path / "other.parquet").write_bytes(training_rows())
    more = ("--rows", str(tmp_path / "other.parquet"), "--valid-from", "2024-02-01", "--json")
    assert run("baseline", "toy", "--version", "v2", *more).json["version"] == "v2"


@pytest.mark.parametrize("number", CODES)
def test_the_exit_code_of_a_run_is_its_verdict(run: Run, world: World, number: int) -> None:
    found = run("run", "toy", "--window", _label(world, number))
    verdict = history.load_verdict(world.monitor, world.window(number), 1)
    assert (found.code, found.err) == (CODES[number], "")
    assert found.out.startswith(f"toy {_label(world, number)} {verdict.status}: ")
    report = world.monitor.layout.report(world.window(number), 1)
    assert f"report: {world.monitor.store.uri}/{report}\n" in found.out
    assert world.monitor.store.exists(report)


@pytest.mark.parametrize("number", CODES)
def test_a_run_as_json(run: Run, world: World, number: int) -> None:
    found = run("run", "toy", "--window", _label(world, number), "--no-report", "--json")
    assert (found.code, found.err) == (CODES[number], "")
    assert EXIT[Status(found.json["status"])] == found.code
    assert found.json["decision"]["window"] == _label(world, number)
    assert not world.monitor.store.exists(world.monitor.layout.report(world.window(number), 1))


def test_without_a_window_the_last_settled_one_is_run(run: Run, world: World) -> None:
    found = run("run", "toy", "--no-report", "--json")
    assert found.code == 4
    settled = datetime.now(UTC) - timedelta(hours=6)
    assert found.json["window"]["end"][:10] in {f"{settled:%Y-%m-%d}", f"{settled - timedelta(minutes=5):%Y-%m-%d}"}


@pytest.mark.parametrize(("last", "code"), [(OK, 0), (WARNED, 2), (FAILED, 1), (EMPTY, 1)])
def test_a_backfill_ends_with_the_worst_code(run: Run, world: World, last: int, code: int) -> None:
    given = ("backfill", "toy", "--from", _label(world, 0), "--to", _label(world, last), "--no-report")
    found = run(*given, "--json")
    assert found.code == code
    assert [item["window"] for item in found.json] == [_label(world, number) for number in range(last + 1)]
    assert [EXIT[Status(item["status"])] for item in found.json] == [CODES[n] for n in range(last + 1)]
    assert run(*given).out.count(" 2024-01-1") == last + 1


def test_unknown_is_worse_than_a_warning(run: Run, world: World) -> None:
    _play(world, 4, _unseen)
    span = ("--from", _label(world, EMPTY), "--to", _label(world, 4))
    found = run("backfill", "toy", *span, "--no-report", "--json")
    assert ([item["status"] for item in found.json], found.code) == (["unknown", "warn"], 4)


def test_status(run: Run, world: World) -> None:
    found = run("status")
    assert (found.code, found.out, found.err) == (4, "", "toy: no window has been looked at yet\n")
    assert run("status", "--json").json == []
    for number in (OK, WARNED):
        pipeline.run_window(world.monitor, world.window(number))
    assert run("status").code == run("status", "toy", "--last", "2").code == 2
    assert [item["window"]["start"][:10] for item in run("status", "--last", "9", "--json").json] == [
        _label(world, OK),
        _label(world, WARNED),
    ]
    assert "unseen_categories" in run("status", "toy").out
    # a folder that is no window does not disturb
    world.monitor.store.put("toy/windows/tmp/x", b"")
    assert run("status").code == 2


def test_serve(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[tuple[Store, list[ModelConfig], str, int]] = []
    monkeypatch.setattr(
        "monitoring.serve.serve", lambda store, models, host, port: served.append((store, models, host, port))
    )
    found = run("serve", "--port", "8123")
    assert found.code == 0
    assert found.out.startswith("Reports: http://127.0.0.1:8123/  Prometheus: http://127.0.0.1:8123/metrics")
    [(store, models, host, port)] = served
    assert (store.uri, [model.name for model in models], host, port) == (
        world.monitor.store.uri,
        ["toy"],
        "127.0.0.1",
        8123,
    )


def test_incidents(run: Run, world: World) -> None:
    assert run("incidents", "toy") == Result(0, "", "toy: no window has been looked at yet\n")
    assert run("incidents", "toy", "--json").json == []
    for number in (OK, WARNED):
        run("run", "toy", "--window", _label(world, number), "--no-report")
    assert "pending" in run("incidents", "toy").out
    run("run", "toy", "--window", _label(world, FAILED), "--no-report")
    found = run("incidents", "--json", "toy").json
    opened = [item for item in found if item["state"] == "open" and item["severity"] == "fail"]
    assert opened
    shown = run("incidents", "toy").out
    for item in opened:
        assert f"{item['fingerprint']} open fail {item['check']}" in shown
        assert item["message"] in shown
        assert item["opened"] == _label(world, FAILED)
    assert run("incidents", "list", "toy").out == shown
    key = opened[0]["fingerprint"]
    history = run("incidents", "show", "toy", key)
    assert (history.code, history.err) == (0, "")
    assert "acknowledged" not in history.out
    assert [item["run"] for item in run("incidents", "show", "toy", key, "--json").json["runs"]] == [
        _label(world, FAILED)
    ]


def test_incidents_that_are_over(run: Run, world: World) -> None:
    world.replace_captures(OK, lambda item: replace(item, score=1 - item.score))
    world.replace_captures(FAILED, lambda item: item)
    run("run", "toy", "--window", _label(world, OK), "--no-report")
    key = next(i for i in run("incidents", "toy", "--json").json if i["severity"] == "fail")["fingerprint"]
    for number in (WARNED, FAILED):
        run("run", "toy", "--window", _label(world, number), "--no-report")
    assert key not in run("incidents", "toy").out
    everything = run("incidents", "toy", "--all").out
    assert f"{key} resolved fail" in everything
    assert f"over since {_label(world, FAILED)}" in everything


def test_what_people_do_about_an_incident(run: Run, world: World) -> None:
    run("run", "toy", "--window", _label(world, FAILED), "--no-report")
    key = run("incidents", "toy", "--json").json[0]["fingerprint"]
    verdict = world.monitor.store.get(world.monitor.layout.verdict(world.window(FAILED), 1))
    found = run("incidents", "ack", "toy", key[:4], "--by", "Ada [x]", "--note", "on it")
    assert found == Result(0, f"{key}: acknowledged by Ada [x]: on it\n", "")
    assert "acknowledged by Ada [x]: on it" in run("incidents", "toy").out
    found = run("incidents", "snooze", "toy", key, "--by", "Bob", "--until", "2150-01-01")
    assert found.out == f"{key}: snoozed by Bob until 2150-01-01T00:00:00Z\n"
    listed = run("incidents", "toy", "--json").json
    assert [item["action"] and item["action"]["by"] for item in listed] == ["Bob", *[None] * (len(listed) - 1)]
    shown = run("incidents", "show", "toy", key).out
    assert shown.index(": acknowledged by Ada") < shown.index(": snoozed by Bob until 2150")
    actions = run("incidents", "show", "toy", key, "--json").json["actions"]
    assert [(item["action"], item["by"], item["note"]) for item in actions] == [
        ("ack", "Ada [x]", "on it"),
        ("snooze", "Bob", ""),
    ]
    assert world.monitor.store.get(world.monitor.layout.verdict(world.window(FAILED), 1)) == verdict
    for arguments, complaint in [
        (("ack", "toy", "ffffffffff", "--by", "Ada"), "'ffffffffff' begins the fingerprint of no incident"),
        (("ack", "toy", key, "--by", "Ada", "--until", "soon"), "--until soon is no date"),
        (("snooze", "toy", key, "--by", "Ada", "--until", "2020-01-01"), "2020-01-01T00:00:00Z lies in the past"),
        (("show", "toy", "ab"), "'ab' begins the fingerprint of no incident"),
    ]:
        refused = run("incidents", *arguments)
        assert (refused.code, refused.out) == (3, "")
        assert refused.err.startswith(f"error: toy: {complaint}")
    assert run("incidents", "snooze", "toy", key, "--by", "Ada").code == 3
    assert run("incidents").err.startswith("Usage: ")
    assert run("incidents", "--help").code == run("incidents", "list", "--help").code == 0


@pytest.fixture
def other(tmp_path: Path, settings: dict[str, Any]) -> Path:
    """Another configuration of the toy model, in which new categories only inform."""
    path = tmp_path / "other.yaml"
    changes = {"trailing": 1, "report": {"native": "never"}, "checks": {"unseen": {"severity": "info"}}}
    path.write_text(yaml.safe_dump(merged(settings, changes), sort_keys=False))
    return path


@pytest.fixture
def replayed(run: Run, world: World) -> tuple[str, ...]:
    """Four days that were looked at, as arguments."""
    days = ("--from", _label(world, OK), "--to", _label(world, EMPTY))
    assert run("backfill", "toy", *days, "--no-report").code == 1
    return ("toy", *days)


def test_replay(run: Run, world: World, replayed: tuple[str, ...], other: Path) -> None:
    found = run("replay", *replayed, "--config", str(other), "--json")
    assert (found.code, found.err) == (0, "")
    now, changed = found.json["now"], found.json["other"]
    newest = [history.latest_verdict(world.monitor, world.window(number)) for number in CODES]
    assert now["windows"] == {verdict.window.label: verdict.status for verdict in newest if verdict}
    assert now["checks"]["unseen"]["warn"] == changed["checks"]["unseen"]["info"] == [_label(world, WARNED)]
    assert changed["checks"]["unseen"]["warn"] == []
    assert _label(world, WARNED) in found.json["sentence"]


def test_replay_for_people(run: Run, world: World, replayed: tuple[str, ...], other: Path) -> None:
    found = run("replay", *replayed)
    assert found.code == 0
    assert max(map(len, found.out.splitlines())) <= 100
    words = " ".join(found.out.split())
    for text in (" unseen ", " Evidently ", " messages ", " windows a month ", "Evidently's default tests find"):
        assert text in words
    assert f"fail worse_than_average  {_label(world, FAILED)} – {_label(world, FAILED)}" in found.out
    found = run("replay", *replayed, "--config", str(other))
    assert max(map(len, found.out.splitlines())) <= 100
    assert "The other configuration says something else of 1 of 4 windows" in " ".join(found.out.split())


def test_replay_refuses_another_model(run: Run, replayed: tuple[str, ...], other: Path) -> None:
    other.write_text(other.read_text().replace("name: toy", "name: twin"))
    found = run("replay", *replayed, "--config", str(other))
    assert (found.code, found.out) == (3, "")
    assert "name is 'twin'; allowed: toy" in found.err
    other.write_text(other.read_text().replace("name: twin", "name: toy").replace("horizon: 2d", "horizon: 3d"))
    found = run("replay", *replayed, "--config", str(other))
    assert (found.code, found.out) == (3, "")
    assert "`labels` differs" in found.err


def test_calibrate(run: Run, models: Path, world: World, replayed: tuple[str, ...]) -> None:
    found = run("calibrate", *replayed)
    assert (found.code, found.err) == (0, "")
    assert "# Only a stretch in which nothing was wrong may be used" in found.out
    assert "look first whether it was one" in found.out
    block = yaml.safe_load(found.out)["checks"]
    assert block["unseen"].keys() == {"tolerance"}
    assert run("calibrate", *replayed, "--json").json["checks"] == block
    # pasted into the model's file, it is valid, and the day is quiet
    path = models / "toy.yaml"
    path.write_text(path.read_text() + yaml.safe_dump({"checks": block}))
    assert run("validate", "toy").code == 0
    again = run("replay", *replayed, "--json").json["now"]
    assert again["windows"][_label(world, WARNED)] == "ok"


def test_calibrate_where_nothing_fired(run: Run, world: World, replayed: tuple[str, ...]) -> None:
    found = run("calibrate", "toy", "--from", _label(world, OK), "--to", _label(world, OK))
    assert found.code == 0
    assert "There is nothing to change" in found.out
    assert yaml.safe_load(found.out) is None


# --- what cannot be done


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("run tow", "{models}/tow.yaml: no model 'tow'; allowed: toy"),
        (
            "run toy --window {today}",
            "toy: {today} settles at {tomorrow}T06:00:00Z; hint: name an earlier window, or wait",
        ),
        (
            "backfill toy --from {today} --to {today}",
            "toy: {today} settles at {tomorrow}T06:00:00Z; hint: name an earlier window, or wait",
        ),
        ("run toy --window 0001-01-01", "'0001-01-01' is out of range; allowed: 1900 to 2200"),
        ("run toy --window 9999-12-31", "'9999-12-31' is out of range; allowed: 1900 to 2200"),
        ("run toy --window soon", "'soon' is not a window; hint: write a date like 2013-04-20"),
        (
            "run toy --window 2024-01-11T05",
            "no day window starts at 2024-01-11T05; hint: the window around it starts at 2024-01-11",
        ),
        ("backfill toy --from 2024-01-12 --to 2024-01-11", "toy: --to 2024-01-11 lies before --from 2024-01-12"),
        (
            "baseline toy --valid-from 2024-02-01 --version ../v2",
            (
                "toy: '../v2' is no name for a version; allowed: letters, digits, dots, dashes and underscores, at"
                " most 64, no .json"
            ),
        ),
        ("baseline toy --version current.json --valid-from 2024-02-01", "toy: 'current.json' is no name for a version"),
        ("baseline toy --version v2 --valid-from soon", "toy: --valid-from soon is no date"),
        ("baseline toy --rows training/none.csv", "{store}/training/none.csv: no such object"),
        ("status tow", "{models}/tow.yaml: no model 'tow'; allowed: toy"),
    ],
)
def test_what_cannot_be_done_is_one_line(run: Run, world: World, models: Path, arguments: str, complaint: str) -> None:
    now = datetime.now(UTC)
    words = {
        "today": f"{now:%Y-%m-%d}",
        "tomorrow": f"{now + timedelta(days=1):%Y-%m-%d}",
        "models": models,
        "store": world.monitor.store.uri,
    }
    before = world.monitor.store.keys("")
    found = run(*arguments.format(**words).split())
    assert (found.code, found.out) == (3, "")
    assert found.err.startswith(f"error: {complaint.format(**words)}")
    assert found.err.count("\n") == 1
    assert world.monitor.store.keys("") == before


@pytest.mark.parametrize("command", ["validate", "status", "run toy", "serve"])
def test_without_a_directory_of_models(run: Run, tmp_path: Path, command: str) -> None:
    nowhere = tmp_path / "nowhere"
    complaint = f"error: {nowhere}: no such directory; hint: set --models or $MODEL_MONITOR_MODELS\n"
    assert run(*command.split(), models=nowhere) == Result(3, "", complaint)


@pytest.mark.parametrize(
    "command", ["run toy --window 2024-01-11", "backfill toy --from 2024-01-11 --to 2024-01-12", "baseline toy"]
)
def test_a_store_that_is_a_file(run: Run, world: World, tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("")
    found = run(*command.split(), store=tmp_path / "file")
    assert (found.code, found.out) == (3, "")
    lines = [line for line in found.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert str(tmp_path / "file") in lines[0]


@pytest.mark.parametrize("arguments", ["", "nonsense", "run", "status --last 0", "backfill toy --from 2024-01-11"])
def test_a_command_that_is_none_shows_its_usage(run: Run, arguments: str) -> None:
    found = run(*arguments.split())
    assert (found.code, found.out) == (3, "")
    assert found.err.startswith("Usage: ")
    assert "\nError: " in found.err


# --- what people see


def test_tables_fit_a_terminal_of_80_columns(run: Run, world: World) -> None:
    span = ("--from", _label(world, 0), "--to", _label(world, 3))
    commands = [
        ("baseline", "toy"),
        ("backfill", "toy", *span, "--no-report"),
        ("run", "toy", "--window", _label(world, FAILED), "--no-report"),
        ("status", "--last", "9"),
    ]
    for command in commands:
        lines = run(*command).out.splitlines()
        assert len(lines) > 5
        assert max(map(len, lines)) <= 80
    rows = {words[1]: words for line in lines if (words := line.split())[:1] == ["toy"] and words[1][-1] != ":"}
    assert list(rows) == [_label(world, number) for number in range(4)], "a row is a line"
    shown = [_label(world, FAILED), "1", "fail", "300", "100.0%", "notify", "worse_than_average"]
    assert rows[_label(world, FAILED)] == ["toy", *shown]


def test_square_brackets_in_names_are_shown_as_they_are(
    run: Run, world: World, tmp_path: Path, models: Path, settings: dict[str, Any]
) -> None:
    store, name = LocalStore(tmp_path / "[/store]"), "[/b]"
    changes = {
        "trailing": 1,
        "report": {"native": "never"},
        "columns": {"features": {"amount": None, "age": None, "country": None, name: "categorical"}},
    }
    config = merged(settings, changes)
    (models / "toy.yaml").write_text(yaml.safe_dump(config))
    rows = pq.read_table(io.BytesIO(training_rows()))
    sink = io.BytesIO()
    pq.write_table(rows.rename_columns([name if c == "country" else c for c in rows.column_names]), sink)
    store.put("training/toy.parquet", sink.getvalue())
    found = run("baseline", "toy", store=store.root)
    assert found.code == 0
    assert f"feature_drift:{name}" in found.out
    items = [replace(item, features=[item.features[2]]) for item in world.inferences(0)]
    write_captures(store, "captures/toy", items)
    for info in store.objects("captures/toy/"):
        lines = [json.loads(line) for line in store.get(info.key).splitlines()]
        for line in lines:
            side = line["captureData"]["endpointInput"]
            side |= {"data": json.dumps({"[/red]": side["data"]}), "encoding": "JSON"}
        store.put(info.key, "\n".join(json.dumps(line) for line in lines).encode())
    found = run("run", "toy", "--window", _label(world, 0), store=store.root)
    assert found.code == 1
    assert f"Column {name} is missing from the records." in found.out
    assert "[/red]" in found.out
    report = Monitor(store, world.monitor.config).layout.report(world.window(0), 1)
    assert f"report: {store.uri}/{report}\n" in found.out
