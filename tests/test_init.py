"""`model-monitor init`: from a folder of logs to a model that reads them."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitoring.capture.objects import CaptureObject
from monitoring.capture.quarantine import Quarantined
from monitoring.capture.readers import read_object, readers
from monitoring.capture.readers.noise import is_noise
from monitoring.capture.records import Half, Row, Typed, sort_out, type_rows
from monitoring.capture.writer import CapturedInference, write_captures
from monitoring.config import ModelConfig, load_model
from monitoring.errors import ConfigError
from monitoring.init import Found, look, rows_of, to_json, write
from monitoring.store.base import Content, ObjectInfo
from monitoring.store.local import LocalStore
from monitoring.store.s3 import S3Store
from tests.conftest import Seaweed

START = datetime(2024, 1, 11, tzinfo=UTC)
SECRET = "confidential-value"


def table(number: int, rows: int = 60, *, offset: int = 0) -> list[dict[str, Any]]:
    """Rows of day `number`, as an application might log them."""
    random = np.random.default_rng(number)
    return [
        {
            "request_id": f"{number}-{i}-{random.integers(1 << 40):x}",
            "timestamp": (START + timedelta(days=number, seconds=i * 1440 + offset)).isoformat(),
            "amount": round(float(random.lognormal(3, 1)), 2),
            "age": int(random.integers(18, 90)),
            "country": str(random.choice(["at", "ch", "de", SECRET])),
            "note": f"free text about {SECRET} and {random.integers(1 << 40)} more words than fifty characters hold",
            "region": "eu",
            "email": f"{i}@{SECRET}",
            "label": int(random.integers(2)),
            "probability": float(random.random()),
            "model_version": "7",
        }
        for i in range(rows)
    ]


def as_jsonl(rows: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_csv(rows: Sequence[dict[str, Any]], delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(rows: Sequence[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), sink)
    return sink.getvalue()


def fill(folder: Path, objects: dict[str, bytes]) -> Path:
    for key, data in objects.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def days(
    encode: Callable[[list[dict[str, Any]]], bytes], pattern: str, ending: str, *, count: int = 4, prefix: str = ""
) -> dict[str, bytes]:
    """An object a day, in folders of that pattern."""
    return {
        f"{prefix}{START + timedelta(days=number):{pattern}}/part-0.{ending}": encode(table(number))
        for number in range(count)
    }


@pytest.fixture
def home(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "home")


def read_all(config: ModelConfig, folder: Path) -> tuple[int, list[Quarantined], list[str]]:
    """What a run would read below a model's URI: rows, what goes to quarantine, and columns at fault."""
    known, rows, typed, aside, halves = readers(config), [], [], [], 0
    for path in sorted(Path(config.capture.uri).rglob("*")):
        key = path.relative_to(folder).as_posix()
        if not path.is_file() or is_noise(key) or not path.stat().st_size:
            continue
        for found in read_object(CaptureObject.of(key, path.read_bytes(), START), config, known):
            if isinstance(found, Row):
                rows.append(found)
            elif isinstance(found, Typed):
                typed.append(found)
            elif isinstance(found, Half):
                halves += len(found.rows)
            else:
                aside.append(found)
    done = sort_out([type_rows(rows, config.columns), *typed], aside, config.columns)
    return done.table.num_rows + halves, done.quarantined, [*done.missing_columns, *done.changed_columns]


def only(found: Found) -> ModelConfig:
    (proposal,) = found.proposals
    return proposal.config()


PLAIN: list[tuple[Callable[[Any], bytes], str, str]] = [
    (as_parquet, "parquet", "parquet"),
    (as_jsonl, "jsonl", "jsonl"),
    (as_csv, "csv", "csv"),
    (lambda rows: gzip.compress(as_csv(rows, ";")), "csv.gz", "csv"),
]


@pytest.mark.parametrize(("encode", "ending", "kind"), PLAIN)
@pytest.mark.parametrize("pattern", ["%Y/%m/%d", "dt=%Y-%m-%d", "year=%Y/month=%m/day=%d", "%Y%m%d", ""])
def test_plain_files(tmp_path: Path, home: LocalStore, encode: Any, ending: str, kind: str, pattern: str) -> None:
    if pattern:
        fill(tmp_path / "churn", days(encode, pattern, ending))
    else:
        fill(tmp_path / "churn", {f"{number}.{ending}": encode(table(number)) for number in range(4)})
    config = only(look(str(tmp_path / "churn"), home))
    assert (config.name, config.capture.format) == ("churn", [kind])
    assert (config.capture.uri, config.capture.folders) == (str(tmp_path / "churn"), pattern)
    assert config.capture.dates == ("inference" if pattern else "nothing")
    assert config.schedule.start == START.date()
    columns = config.columns
    assert columns.features == {"amount": "numeric", "age": "numeric", "country": "categorical", "note": "text"}
    assert (columns.event_id, columns.event_time) == ("request_id", "timestamp")
    assert (columns.task, columns.score, columns.outputs) == ("binary", "probability", ["probability"])
    assert read_all(config, tmp_path / "churn") == (240, [], [])


def test_the_file_is_valid_and_says_what_was_guessed_but_no_value(tmp_path: Path, home: LocalStore) -> None:
    fill(tmp_path / "churn", days(as_jsonl, "%Y/%m/%d", "jsonl"))
    found = look(str(tmp_path / "churn"), home)
    (path,) = write(found.proposals, tmp_path / "models")
    assert load_model(path) == only(found)
    text = path.read_text()
    assert SECRET not in text + json.dumps(to_json(found))
    for line in (
        "    # label: categorical   # probably the label, which the model does not know",
        "    # region: categorical   # the same value in every row",
        "    # email: categorical   # may tell who somebody is",
        "# baseline:",
        "# labels:",
    ):
        assert line.replace("label: categorical", "label: numeric") in text.splitlines()
    roles = {row[0]: (row[2], row[3], row[4]) for row in rows_of(found.proposals[0])}
    assert roles["request_id"] == ("240/240", "event id", "sure")
    assert roles["probability"] == ("240/240", "score", "sure")


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path, home: LocalStore) -> None:
    found = look(str(fill(tmp_path / "churn", days(as_csv, "%Y/%m/%d", "csv"))), home)
    (path,) = write(found.proposals, tmp_path)
    path.write_text("mine")
    with pytest.raises(ConfigError, match="--force"):
        write(found.proposals, tmp_path)
    assert path.read_text() == "mine"
    write(found.proposals, tmp_path, force=True)
    assert load_model(path).name == "churn"
    with pytest.raises(ConfigError, match=r"churn\.yaml"):
        write(found.proposals, tmp_path, output=tmp_path / "other.yaml")


@pytest.mark.parametrize("way", ["relative", "home", "file", "month", "scheme", "slash"])
def test_ways_to_say_where(tmp_path: Path, home: LocalStore, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    folder = fill(tmp_path / "home" / "captures" / "churn", days(as_jsonl, "%Y/%m/%d", "jsonl"))
    monkeypatch.chdir(folder.parent)
    uri = {
        "relative": "churn",
        "home": "captures/churn",
        "file": str(folder / "2024/01/11/part-0.jsonl"),
        "month": str(folder / "2024/01"),
        "scheme": f"file://{folder}",
        "slash": f"{folder}/",
    }[way]
    config = only(look(uri, home))
    assert config.capture.uri == ("captures/churn" if way == "home" else str(folder))
    assert (config.name, config.capture.folders) == ("churn", "%Y/%m/%d")


def test_hours_and_inferences_that_came_later(tmp_path: Path, home: LocalStore) -> None:
    objects = {
        f"{START + timedelta(hours=hour):date=%Y-%m-%d/hour=%H}/a.jsonl": as_jsonl(
            table(0, 5, offset=hour * 3600 - 7200)
        )
        for hour in range(5)
    }
    capture = only(look(str(fill(tmp_path / "churn", objects)), home)).capture
    assert (capture.folders, capture.dates) == ("date=%Y-%m-%d/hour=%H", "delivery")


def test_inferences_that_were_made_after_their_folder_are_told(tmp_path: Path, home: LocalStore) -> None:
    objects = {f"2024/01/1{number}/a.jsonl": as_jsonl(table(3)) for number in range(3)}
    found = look(str(fill(tmp_path / "churn", objects)), home)
    assert only(found).capture.dates == "nothing"
    assert only(found).schedule.start == START.date() + timedelta(days=3)
    assert found.proposals[0].log.notes == [
        "180 of 180 inferences were made long before, or after, the time of their folder"
    ]


def inferences(number: int, rows: int = 40) -> list[CapturedInference]:
    random = np.random.default_rng(number)
    moments = [START + timedelta(days=number, seconds=int(s)) for s in random.integers(0, 86_400, rows)]
    return [
        CapturedInference(
            f"{number}-{i}",
            moment,
            [float(random.random()), SECRET, None],
            float(random.random()),
            {"model_version": "7"},
        )
        for i, moment in enumerate(moments)
    ]


def test_sagemaker_variants(tmp_path: Path, home: LocalStore) -> None:
    store = LocalStore(tmp_path / "logs")
    for variant in ("blue", "green"):
        write_captures(store, f"fraud/{variant}", [item for number in range(3) for item in inferences(number)])
    config = only(look(str(tmp_path / "logs" / "fraud"), home))
    assert (config.name, config.capture.format, config.capture.folders) == ("fraud", ["sagemaker"], "*/%Y/%m/%d/%H")
    assert config.capture.dates == "inference"
    assert config.columns.features == {"x0": "numeric", "x1": "categorical", "x2": "categorical"}
    assert (config.columns.task, config.columns.score, config.columns.outputs) == ("binary", "score", ["score"])
    assert read_all(config, tmp_path / "logs" / "fraud") == (240, [], [])


def test_azure_collections(tmp_path: Path, home: LocalStore) -> None:
    def event(number: int, side: str, data: Any) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": f"i{number}",
            "type": f"azureml.inference.model_{side}",
            "datacontenttype": "application/json",
            "time": (START + timedelta(hours=number)).isoformat(),
            "data": data,
            "correlationid": f"c{number}",
        }

    objects = {}
    for number in range(30):
        hour = f"{START + timedelta(hours=number):%Y/%m/%d/%H}"
        rows = [{"age": 40 + number, "sex": number % 2}, {"age": 35, "sex": 1}]
        answers = [{"predicted_label": number % 2, "probability": 0.25}, {"predicted_label": 1, "probability": 0.5}]
        objects[f"model_inputs/{hour}/a.jsonl"] = as_jsonl([event(number, "inputs", rows)])
        objects[f"model_outputs/{hour}/a.jsonl"] = as_jsonl([event(number, "outputs", answers)])
    config = only(look(str(fill(tmp_path / "credit" / "blue", objects)), home))
    assert (config.name, config.capture.format, config.capture.folders) == ("blue", ["azureml"], "*/%Y/%m/%d/%H")
    assert config.columns.features == {"age": "numeric", "sex": "numeric"}
    assert (config.columns.score, config.columns.prediction) == ("probability", "predicted_label")
    assert read_all(config, tmp_path / "credit" / "blue") == (120, [], [])


def test_kserve_requests_and_responses(tmp_path: Path, home: LocalStore) -> None:
    def record(number: int, side: str, body: Any) -> dict[str, Any]:
        data = base64.b64encode(json.dumps(body).encode()).decode()
        kind = f"org.kubeflow.serving.inference.{side}"
        return {"Url": {}, "Bytes": data, "ContentType": "application/json", "ReqType": kind, "Id": f"r{number}"}

    objects = {}
    for number in range(30):
        request = {"instances": [[number + 0.5, 2, 3, 4], [1, 2, 3, 4.5]]}
        response = {"predictions": [0.25 + number / 100, 0.75]}
        objects[f"predictor/r{number}-request.json"] = json.dumps(record(number, "request", request)).encode()
        objects[f"predictor/r{number}-response.json"] = json.dumps(record(number, "response", response)).encode()
    found = look(str(fill(tmp_path / "iris", objects)), home)
    config = only(found)
    assert len(found.proposals[0].log.objects) == found.objects == 60
    assert (config.name, config.capture.format, config.capture.folders) == ("iris", ["kserve"], "")
    assert list(config.columns.features) == ["x0", "x1", "x2", "x3"]
    assert (config.columns.score, config.columns.outputs) == ("score", ["score"])
    assert read_all(config, tmp_path / "iris") == (120, [], [])


def test_bentoml_says_the_roles_itself(tmp_path: Path, home: LocalStore) -> None:
    names = {"income": "feature", "approved": "prediction", "truth_later": "target"}
    columns = [{"name": name, "role": role, "type": "numerical"} for name, role in names.items()]
    schema = {"meta_data": {"bento_name": "loan", "bento_version": "1"}, "columns": columns}
    rows = [
        {
            "income": 1000.5 + i,
            "approved": i % 2,
            "truth_later": 1,
            "timestamp": (START + timedelta(seconds=i)).replace(tzinfo=None).isoformat(),
            "request_id": str(i),
            "trace_id": str(i),
        }
        for i in range(40)
    ]
    objects = {"data/data.1.log": as_jsonl(rows), "schema/schema.1.log": as_jsonl([schema])}
    config = only(look(str(fill(tmp_path / "loan", objects)), home))
    assert (config.capture.format, config.capture.uri) == (["bentoml"], str(tmp_path / "loan"))
    assert config.columns.features == {"income": "numeric"}
    assert (config.columns.task, config.columns.score, config.columns.prediction) == ("binary", "", "approved")
    assert read_all(config, tmp_path / "loan") == (40, [], [])


def test_several_formats_of_one_log(tmp_path: Path, home: LocalStore) -> None:
    objects = days(as_jsonl, "%Y/%m/%d", "jsonl") | days(as_parquet, "%Y/%m/%d", "parquet", count=2)
    config = only(look(str(fill(tmp_path / "churn", objects)), home))
    assert config.capture.format == ["jsonl", "parquet"]
    assert read_all(config, tmp_path / "churn") == (360, [], [])


def test_what_lies_beside_a_log_does_not_disturb(tmp_path: Path, home: LocalStore) -> None:
    dirt = {
        "_SUCCESS": b"",
        "2024/01/11/_delta_log/0.json": b'{"commitInfo": 1}\n',
        "2024/01/12/empty.jsonl": b"",
        "2024/01/12/a.png": b"\x89PNG\r\n\x1a\n\0\0",
        "2024/01/13/broken.parquet": b"PAR1 and nothing more",
        "readme.md": b"# Logs, written by a service\n",
    }
    fill(tmp_path / "churn", days(as_jsonl, "%Y/%m/%d", "jsonl", count=9) | dirt)
    found = look(str(tmp_path / "churn"), home)
    config = only(found)
    assert (config.capture.format, config.capture.folders) == (["jsonl"], "%Y/%m/%d")
    assert found.beside == Counter(
        {
            "empty, or left by the writer of a table": 3,
            "of no format that is known": 2,
            "parquet that could not be read": 1,
        }
    )


def test_logs_of_several_models_are_several_models(tmp_path: Path, home: LocalStore) -> None:
    def others(rows: list[dict[str, Any]]) -> bytes:
        return as_parquet([{"ts": row["timestamp"], "price": row["amount"] * 1000} for row in rows])

    objects = days(as_jsonl, "%Y/%m/%d", "jsonl", count=6, prefix="churn/")
    objects |= days(others, "dt=%Y-%m-%d", "parquet", prefix="prices/")
    found = look(str(fill(tmp_path / "all", objects)), home)
    configs = [proposal.config() for proposal in found.proposals]
    assert [(c.name, c.capture.format, c.capture.folders) for c in configs] == [
        ("churn", ["jsonl"], "%Y/%m/%d"),
        ("prices", ["parquet"], "dt=%Y-%m-%d"),
    ]
    assert [c.capture.uri for c in configs] == [str(tmp_path / "all" / name) for name in ("churn", "prices")]
    named = look(str(tmp_path / "all"), home, name="shop")
    assert [proposal.name for proposal in named.proposals] == ["shop-churn", "shop-prices"]
    assert len(write(found.proposals, tmp_path / "models")) == 2


def test_csv_without_a_header(tmp_path: Path, home: LocalStore) -> None:
    rows = [f"{i}.5\t{'at' if i % 3 else 'ch'}\t7\n" for i in range(50)]
    fill(tmp_path / "bare", {"a.tsv": "".join(rows).encode()})
    config = only(look(str(tmp_path / "bare"), home))
    assert config.capture.csv.model_dump() == {
        "delimiter": "\t",
        "header": False,
        "columns": ["x0", "x1", "x2"],
        "encoding": "utf-8",
    }
    assert config.columns.features == {"x0": "numeric", "x1": "categorical"}
    assert read_all(config, tmp_path / "bare") == (50, [], [])


def test_nested_fields_and_names_that_yaml_would_misread(tmp_path: Path, home: LocalStore) -> None:
    rows = [
        {
            "meta": {"id": f"a{i}", "time": START.timestamp() + i},
            "in": {"no": i % 7 + 0.5, "a: b": i + 0.25, "#": i + 0.75, "image": f"s3://bucket/{i}.png"},
            "vector": [i / 3, i / 7],
            "out": {"prediction": i * 10.5, "seconds": 0.5},
            "items": [{"a": 1}],
        }
        for i in range(40)
    ]
    config = only(look(str(fill(tmp_path / "nested", {"a.jsonl": as_jsonl(rows)})), home))
    columns = config.columns
    assert list(columns.features) == ["in.no", "in.a: b", "in.#", "vector[0]", "vector[1]"]
    assert (columns.event_id, columns.event_time, columns.references) == ("meta.id", "meta.time", ["in.image"])
    assert (columns.task, columns.score) == ("regression", "out.prediction")
    assert read_all(config, tmp_path / "nested") == (40, [], [])


def test_what_cannot_be_watched_says_what_was_seen(tmp_path: Path, home: LocalStore) -> None:
    with pytest.raises(ConfigError, match="there are no objects"):
        look(str(tmp_path / "nowhere"), home)
    with pytest.raises(ConfigError, match="2 of no format that is known; 1 empty"):
        look(str(fill(tmp_path / "dirt", {"a.bin": b"\0\1", "b.xml": b"<a/>", "c.csv": b""})), home)


class Counting(LocalStore):
    """A store of very many objects, none of which exists; counts what it is asked for."""

    def __init__(self, root: Path, data: bytes) -> None:
        super().__init__(root)
        self.data, self.read = data, 0

    def sample(self, prefix: str, count: int) -> list[ObjectInfo]:
        info = ObjectInfo("", 5 << 30, "tag", START)
        keys = [f"{prefix}{START + timedelta(hours=hour):%Y/%m/%d/%H}/a.jsonl" for hour in range(count)]
        return [replace(info, key=key) for key in keys]

    def read_many(self, infos: Iterable[ObjectInfo], **_: Any) -> Any:
        for info in infos:
            content: Content = None
            yield info, content

    def get_range(self, key: str, start: int, length: int, *, etag: str = "") -> bytes:
        self.read += length
        return self.data[start : start + length]


def test_little_is_read_however_much_there_is(tmp_path: Path) -> None:
    store = Counting(tmp_path, as_jsonl(table(0)) * 200)
    found = look("captures/huge", store)
    assert only(found).capture.folders == "%Y/%m/%d/%H"
    assert found.objects <= 60
    assert store.read <= 64 << 20
    assert found.proposals[0].log.rows <= 6000


@pytest.mark.service
def test_a_bucket(seaweed: Seaweed, home: LocalStore, tmp_path: Path) -> None:
    store = S3Store(seaweed.client, seaweed.bucket, "init/churn")
    for key, data in days(as_parquet, "dt=%Y-%m-%d", "parquet").items():
        store.put(key, data)
    for uri in (f"s3://{seaweed.bucket}/init/churn", f"s3://{seaweed.bucket}/init/churn/dt=2024-01-11/part-0.parquet"):
        found = look(uri, home, lambda: seaweed.client)
        (path,) = write(found.proposals, tmp_path, force=True)
        config = load_model(path)
        assert (config.capture.uri, config.capture.folders) == (f"s3://{seaweed.bucket}/init/churn", "dt=%Y-%m-%d")
    with pytest.raises(ConfigError, match="there are no objects"):
        look(f"s3://{seaweed.bucket}/init/nothing", home, lambda: seaweed.client)
    with pytest.raises(ConfigError, match="NoSuchBucket"):
        look("s3://no-such-bucket/x", home, lambda: seaweed.client)


@pytest.mark.service
def test_large_files_in_a_bucket(seaweed: Seaweed, home: LocalStore) -> None:
    store = S3Store(seaweed.client, seaweed.bucket, "init/large")
    random = np.random.default_rng(1)
    for number in range(3):
        ids = [f"{number}-{i}" for i in range(200_000)]
        sink = io.BytesIO()
        pq.write_table(pa.table({"event_id": ids, "score": random.random(len(ids))}), sink)
        assert sink.tell() > 1 << 20
        store.put(f"2024/01/1{number}/a.parquet", sink.getvalue())
    config = only(look(f"s3://{seaweed.bucket}/init/large", home, lambda: seaweed.client))
    assert (config.columns.score, config.columns.event_id) == ("score", "event_id")
