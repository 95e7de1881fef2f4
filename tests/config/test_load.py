"""What is wrong with a model's file: one line with the place, the key and what is allowed."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from monitoring.config import broken_models, load_model, load_models, model_path
from monitoring.config.checks import CheckRule
from monitoring.config.model import ModelConfig
from monitoring.errors import ConfigError

GOOD = """\
name: toy
schedule:
  every: day
capture:
  uri: captures/toy
columns:
  features:
    amount: numeric
    country: categorical
baseline:
  uri: training/toy.parquet
policy:
  retrain:
    cooldown: 7d
  notify:
    - kind: slack
      connection: slack_default
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write `toy.yaml`: the good file with replacements."""

    def make(*replacements: tuple[str, str], name: str = "toy") -> Path:
        text = GOOD
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        return path

    return make


def _complaint(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_model(path)
    text = str(caught.value)
    assert "\n" not in text
    return text.removeprefix(str(path))


def test_a_good_file_and_its_defaults(write: Write) -> None:
    config = load_model(write())
    assert list(config.columns.features.items()) == [("amount", "numeric"), ("country", "categorical")]
    assert config.policy.retrain is not None
    assert config.policy.retrain.confirm == (3, 5)
    assert config.checks.nulls == CheckRule(severity="fail", limit="baseline", tolerance=0.1, min_rows=50)
    assert (config.labels, config.trailing_windows, config.dag_id) == (None, 7, "monitor_toy")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("  uri: captures/toy", "  late: 2d", ":4: 'capture.uri' is required and missing"),
        (
            "  uri: captures",
            "  url: captures",
            (
                ":5: unknown key 'capture.url'; allowed: format, uri, folders, dated_by, late, batch_bytes, csv;"
                " hint: 1 more problem(s) in this file"
            ),
        ),
        (
            "  every: day",
            "  evry: day",
            ":3: unknown key 'schedule.evry'; allowed: every, settle, start, end",
        ),
        (
            "  every: day",
            "  every: month",
            ":3: 'schedule.every' is 'month'; allowed: 'hour', 'day' or 'week'",
        ),
        (
            "  every: day",
            "  every: hour",
            ":2: 'schedule' is {'every': 'hour'}: settle must be shorter than a window (hour)",
        ),
        (
            "    cooldown: 7d",
            "    cooldown: 7 days",
            ":14: 'policy.retrain.cooldown' is '7 days': write a duration as a number and a unit: 30m, 6h, 3d or 2w",
        ),
        (
            "    cooldown: 7d",
            "    cooldon: 7d",
            ":14: unknown key 'policy.retrain.cooldon'; allowed: confirm, cooldown, min_labels, trigger",
        ),
        (
            "    cooldown: 7d",
            "    confirm: [5, 3]",
            ":13: 'policy.retrain' is {'confirm': [5, 3]}: confirm is [k, m]: k at least 1 and at most m",
        ),
        (
            "    country: categorical",
            "    country: date",
            ":9: 'columns.features.country' is 'date'; allowed: 'numeric', 'categorical' or 'text'",
        ),
        (
            "    - kind: slack",
            "    - kind: pigeon",
            (
                ":16: 'policy.notify.0' is {'kind': 'pigeon', 'connection': 'slack_default'}: Input tag 'pigeon' found"
                " using 'kind' does not match any of the expected tags: 'smtp', 'webhook', 'slack'"
            ),
        ),
        (
            "      connection: slack_default",
            "      connection: [1]",
            ":17: 'policy.notify.0.connection' is [1]: Input should be a valid string",
        ),
        (
            "name: toy",
            "name: toy\ntrailing: 91",
            ":2: 'trailing' is 91: Input should be less than or equal to 90",
        ),
        (
            "name: toy",
            "name: toy\nchecks:\n  schema:\n    severity: loud",
            ":4: 'checks.schema.severity' is 'loud'; allowed: 'fail', 'warn', 'info' or 'off'",
        ),
        (
            "name: toy",
            "name: toys",
            ":1: name is 'toys'; allowed: toy; hint: a model's name and its file's name must agree",
        ),
        (
            "  every: day",
            "  start: 2013-03-02\n  end: 2013-03-01",
            (":2: 'schedule' is {'start': datetime.date(2013, 3, 2), 'end': datetime.date...: end lies before start"),
        ),
        ("  every: day", "  every: day\n  every: week", ":4: 'every' is given twice"),
        ("    country: cat", "    amount: numeric\n    country: cat", ":9: 'amount' is given twice"),
        ("policy:", "name: toy\npolicy:", ":12: 'name' is given twice"),
        (
            "    cooldown: 7d",
            "    cooldown: 99999999999d",
            ":14: 'policy.retrain.cooldown' is '99999999999d': at most 1000000 of a unit",
        ),
        (
            "    cooldown: 7d",
            "    cooldown: 731d",
            ":14: 'policy.retrain.cooldown' is '731d': at most 730d",
        ),
        (
            "name: toy",
            "name: toy\nchecks:\n  schema:\n    severity: on",
            ":4: 'checks.schema.severity' is True; allowed: 'fail', 'warn', 'info' or 'off'",
        ),
        (
            "  features:",
            "  positive: yes\n  features:",
            ":7: 'columns.positive' is True: Input should be a valid string",
        ),
        (
            "  features:",
            "  positive:\n  features:",
            ":7: 'columns.positive' is None: Input should be a valid string",
        ),
        ("  every: day", "  every: [day", ":4: not valid YAML: expected ',' or ']', but got ':'"),
        ("  every: day", "  ? [every, day]\n  : day", ":3: not valid YAML: found unhashable key"),
        ("  every: day", "  every: !!bool perhaps", ":1: not valid YAML: 'perhaps'"),
        ("  every: day", "  start: !!timestamp soon", ":1: not valid YAML: "),
        ("  every: day", "  start: 2013-02-30", ":1: not valid YAML: day is out of range for month"),
        ("  every: day", "  every: \x01", ":1: not valid YAML: unacceptable character #x0001"),
    ],
)
def test_complaints(write: Write, old: str, new: str, complaint: str) -> None:
    found = _complaint(write((old, new)))
    assert found.startswith(complaint)
    assert found == complaint or "not valid YAML" in complaint


def test_unknown_keys_at_the_top_list_all_keys(write: Write) -> None:
    allowed = ", ".join(ModelConfig.model_fields)
    assert _complaint(write(("name: toy", "name: toy\nowners: me"))) == f":2: unknown key 'owners'; allowed: {allowed}"


def test_a_missing_file_names_the_models_that_are_there(write: Write) -> None:
    path = write().with_name("tow.yaml")
    assert _complaint(path) == ": no model 'tow'; allowed: toy"


@pytest.mark.parametrize("text", ["", "- 1\n", "just text\n"])
def test_a_file_without_settings(tmp_path: Path, text: str) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(text)
    assert _complaint(path).startswith(":1: expected a mapping of settings; allowed: name, description, owner, ")


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_bytes(b"name: \xff\n")
    assert _complaint(path) == ":1: not valid YAML: not UTF-8 text"


@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ("{a: ", "}"), ("[{a: ", "}]")])
def test_deep_nesting(tmp_path: Path, opened: str, closed: str) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(f"{GOOD}more: {opened * 5000}1{closed * 5000}\n")
    assert _complaint(path) == ":1: not valid YAML: nested too deeply"


def test_aliases_of_aliases_are_not_walked_for_ever(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    lines += ["round: &round [*round]"]
    path = tmp_path / "toy.yaml"
    path.write_text(f"{GOOD}{chr(10).join(lines)}\n")
    assert _complaint(path).startswith(":18: unknown key 'a0'; allowed: name, ")


@pytest.mark.parametrize("off", ["off", "Off", "no", "'off'"])
def test_a_check_is_turned_off_as_yaml_spells_it(write: Write, off: str) -> None:
    config = load_model(write(("policy:", f"checks:\n  ranking: {{severity: {off}}}\npolicy:")))
    assert config.checks.ranking == CheckRule(severity="off", tolerance=0.25, min_rows=100)


@pytest.mark.parametrize(
    ("check", "setting"),
    [
        *[("schema", name) for name in ("limit", "tolerance", "min_rows")],
        *[("quarantine", name) for name in ("limit", "min_rows")],
        *[("label_coverage", name) for name in ("limit", "min_rows")],
        ("volume", "min_rows"),
    ],
)
def test_a_setting_that_a_check_has_no_use_for(write: Write, check: str, setting: str) -> None:
    path = write(("policy:", f"checks: {{{check}: {{{setting}: 7}}}}\npolicy:"))
    assert _complaint(path).endswith(f": the check {check} has no use for {setting!r}")


def test_what_is_loaded_can_be_written_and_loaded_again(write: Write) -> None:
    config = load_model(write())
    path = write()
    path.write_text(yaml.safe_dump(config.model_dump(mode="json", by_alias=True)))
    assert load_model(path) == config


@pytest.mark.parametrize("name", ["site", "serving"])
def test_names_that_the_store_keeps_for_itself(write: Write, name: str) -> None:
    path = write(("name: toy", f"name: {name}"), name=name)
    assert _complaint(path).endswith(f": the store keeps '{name}' for itself; choose another name")


@pytest.mark.parametrize(
    ("text", "positive"), [("1.0", "1"), ("1", "1"), ("'1.0'", "1"), ("' 1 '", "1"), ("-1", "-1"), ("late", "late")]
)
def test_the_positive_label_has_one_spelling(write: Write, text: str, positive: str) -> None:
    assert load_model(write(("  features:", f"  positive: {text}\n  features:"))).columns.positive == positive


def test_a_directory_with_the_name_of_a_model(write: Write) -> None:
    path = write().with_name("x.yaml")
    path.mkdir()
    assert _complaint(path) == ": cannot be read: Is a directory"
    [error] = broken_models(path.parent)
    assert error.where == str(path)


def test_one_unusable_file_hides_no_other(write: Write) -> None:
    folder = write().parent
    (folder / "a.yaml").mkdir()
    (folder / "b.yaml").write_text(f"name: b\nx: {'[' * 5000}")
    (folder / "c.yaml").write_text("name: c\n? [a]\n: b\n")
    (folder / "d.yaml").write_text("name: d\nname: d\n")
    (folder / "e.yaml").write_text("name: e\nschedule: {settle: 99999999999w}\n")
    (folder / "f.yaml").write_bytes(b"\xff")
    (folder / "g.yaml").symlink_to("nowhere")
    errors = broken_models(folder)
    assert [Path(error.where.split(":")[0]).stem for error in errors] == list("abcdefg")
    assert all("\n" not in str(error) for error in errors)


def test_broken_models_collects_one_error_per_file(write: Write) -> None:
    good = write()
    write(("toy", "a"), ("every: day", "every: never"), ("uri: training", "url: training"), name="a")
    write(("  every: day", "  every: [day"), name="b")
    write(name="c")
    folder = good.parent
    assert [error.where.removeprefix(f"{folder}/") for error in broken_models(folder)] == [
        "a.yaml:11",
        "b.yaml:4",
        "c.yaml:1",
    ]
    with pytest.raises(ConfigError, match=r"a\.yaml:11"):
        load_models(folder)
    for name in "abc":
        model_path(folder, name).unlink()
    assert broken_models(folder) == []
    assert [config.name for config in load_models(folder)] == ["toy"]


def test_complaints_survive_the_way_between_processes(write: Write) -> None:
    with pytest.raises(ConfigError) as caught:
        load_model(write(("  every: day", "  evry: day")))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is ConfigError
    assert str(copy) == str(caught.value)
    assert copy.allowed == ("every", "settle", "start", "end")
