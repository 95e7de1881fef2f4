"""Coverage-guided fuzzing of every reader of captured logs; `docs/fuzzing.md` says how it is run.

The first bytes of an input choose the reader, the columns, the key, and how the rest is delivered. The rest is the
object.
"""

from __future__ import annotations

import argparse
import base64
import bz2
import gzip
import io
import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import atheris
import pyarrow as pa
import pyarrow.parquet as pq

# Numba compiles the bytecode of the scanner, which must be as it was written
with atheris.instrument_imports(
    include=["monitoring.capture", "monitoring.engine.halves"],
    exclude=[f"monitoring.capture.scan_{name}" for name in ("bytes", "csv", "json", "lines", "text", "values")],
):
    from monitoring.capture import objects
    from monitoring.capture.objects import CaptureObject, decompressed
    from monitoring.capture.quarantine import MOST_BYTES, Origin, Quarantined, parse_quarantine, quarantine_lines
    from monitoring.capture.readers import BUILT_IN, Found, read_object, reader
    from monitoring.capture.records import Half, Row, Typed, from_parquet, sort_out, to_parquet, type_rows
    from monitoring.engine.halves import Pairs, alone

    # instrumented here, as the modules are imported when their formats are asked for
    READERS = [reader(name) for name in BUILT_IN]

from monitoring.config import ModelConfig
from tests.capture.readers.recorded import (
    AZURE,
    BENTO_SCHEMA,
    KSERVE,
    KSERVE_CSV,
    ROWS,
    SAGEMAKER,
    SAMPLES,
    SCORES,
    WRITTEN,
    cloud_event,
    kserve_record,
    lines,
    mlserver_payload,
)

_HEADER = 4
_FEATURES = {"amount": "numeric", "country": "categorical"}
COLUMNS: list[dict[str, Any]] = [
    {"features": _FEATURES},
    {"features": _FEATURES, "outputs": ["score", "label"], "prediction": "label", "segments": ["namespace"]},
    {"features": _FEATURES | {"note": "text"}, "task": "regression", "references": ["uri"]},
    {"features": _FEATURES, "outputs": ["label"], "score": "", "prediction": "label", "task": "multiclass"},
    {"features": {}, "outputs": ["score"]},
    {"features": _FEATURES, "outputs": []},
    {"features": _FEATURES, "event_id": "id", "event_time": "timestamp"},
    {"features": _FEATURES, "paths": {"amount": "a.b[0]", "score": "s.v"}, "ignored": ["x"]},
    {"features": {"amount": "numeric"}, "privacy": {"columns": {"amount": [0.0, 10.0]}}},
]
CSV: list[dict[str, Any]] = [
    {},
    {"encoding": "utf-16"},
    {"encoding": "latin-1", "delimiter": ";"},
    {"header": False, "columns": ["id", "timestamp", "amount", "country", "score"]},
]
KEYS = sorted({key for samples in SAMPLES.values() for key, _ in samples} | {"k-request.parquet", "k-response.json"})
CONFIGS = [
    ModelConfig.model_validate(
        {"name": "toy", "capture": {"uri": "x", "format": list(BUILT_IN), "csv": csv}, "columns": columns}
    )
    for columns in COLUMNS
    for csv in CSV
]


def _zstd(data: bytes) -> bytes:
    return pa.compress(data, "zstd", asbytes=True)


def _as_parquet(data: bytes) -> bytes:
    """JSON objects as a table, and what is none as it is."""
    try:
        rows = [_with_bytes(json.loads(line)) for line in data.splitlines()]
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, pa.ArrowException):
        return data
    return sink.getvalue()


def _with_bytes(row: dict[str, Any]) -> dict[str, Any]:
    return {name: base64.b64decode(value) if name == "Bytes" else value for name, value in row.items()}


# Of a piece, of a line, and of what is kept of a line that is too long: as they are, and so small that they matter
BOUNDS = ((objects.PIECE_BYTES, objects.LONGEST_LINE, objects.MOST_BYTES), (200, 400, 100))
WRAPPED = (bytes, bytes, bytes, gzip.compress, bz2.compress, _zstd, _as_parquet, lambda data: gzip.compress(data)[:-9])


def one_input(data: bytes) -> None:
    """Read one object, and check what every reader promises."""
    if len(data) < _HEADER:
        return
    which, meaning, named, how = data[:_HEADER]
    piece, objects.LONGEST_LINE, objects.MOST_BYTES = BOUNDS[which >= 128]
    CaptureObject.pieces.__defaults__ = (piece,)
    config, key = CONFIGS[meaning % len(CONFIGS)], KEYS[named % len(KEYS)]
    stored = WRAPPED[how % len(WRAPPED)](data[_HEADER:])
    captured = CaptureObject.of(key, stored, WRITTEN)
    known = READERS if which % (len(READERS) + 1) == len(READERS) else [READERS[which % (len(READERS) + 1)]]
    for candidate in READERS:
        assert candidate.knows(key, captured.head()) in (True, False)
        assert candidate.group is None or candidate.group(key)
    found = list(read_object(captured, config, known))
    content = b"".join(part for part, _ in decompressed(captured.stream()))
    for item in found:
        _check_item(item, key, content)
    _check_sums(found, config)
    if how >= 128:
        parts = [stored[at : at + 7] for at in range(0, len(stored), 7)]
        torn = CaptureObject(key, len(stored), captured.open, lambda: iter(parts), WRITTEN)
        again = list(read_object(torn, config, known))
        assert list(map(_essence, found)) == list(map(_essence, again)), "it matters how the bytes come"


def _check_item(item: Found, key: str, content: bytes) -> None:
    assert isinstance(item, Row | Half | Typed | Quarantined), type(item)
    for origin in _origins(item):
        assert origin.key == key, origin
        assert 0 <= origin.offset <= max(len(content), 1), origin
        place = content[origin.offset :]
        whole = place.startswith(origin.data) or b"PAR1" in content
        # behind the line of names, or numbered
        behind = place.startswith(origin.data.rpartition(b"\n")[2]) or b"#" in origin.data
        assert whole or behind, origin
    for aside in [item] if isinstance(item, Quarantined) else item.quarantined if isinstance(item, Typed) else []:
        assert aside.detail, aside
        assert aside.detail.encode(), aside
        assert aside.rows >= 0, aside
    if isinstance(item, Half):
        assert len(item.ids) == len(item.rows), item


def _origins(item: Found) -> Iterator[Origin]:
    if isinstance(item, Typed):
        yield from (item.origin(row) for row in range(item.table.num_rows))
        yield from (aside.origin for aside in item.quarantined)
    else:
        yield item.origin


def _check_sums(found: list[Found], config: ModelConfig) -> None:
    """What was read is the rows that are kept and those that are set aside."""
    pairs = Pairs()
    items: list[Any] = []
    for place, item in enumerate(found):
        items.extend(pairs.add(item, place) if isinstance(item, Half) else [item])
    rest = pairs.rest()
    items.extend(alone(half) for half in rest)
    # a half alone has its rows too
    items.extend(
        Row(name, half.event_time or WRITTEN, half.origin, row, row, half.attributes)
        for half in rest
        for name, row in zip(half.ids, half.rows, strict=True)
    )
    rows = [item for item in items if isinstance(item, Row)]
    typed = [item for item in items if isinstance(item, Typed)]
    aside = [item for item in items if isinstance(item, Quarantined)]
    batch = sort_out([*typed, type_rows(rows, config.columns)], aside, config.columns, b"k")
    given = len(rows) + sum(part.table.num_rows + sum(item.rows for item in part.quarantined) for part in typed)
    given += sum(item.rows for item in aside)
    assert batch.read == given == batch.table.num_rows + sum(item.rows for item in batch.quarantined)
    assert from_parquet(to_parquet(batch.table)).num_rows == batch.table.num_rows
    kept = parse_quarantine(quarantine_lines(batch.quarantined))
    assert [item.origin.data for item in kept] == [item.origin.data[:MOST_BYTES] for item in batch.quarantined]


def _essence(item: Found) -> str:
    if not isinstance(item, Typed):
        return repr(item)
    origins = [item.origin(row) for row in range(item.table.num_rows)]
    return repr((item.table.to_pydict(), origins, item.missing, item.unparsable, item.unknown, item.quarantined))


def mutated(data: bytes, max_size: int, seed: int) -> bytes:
    """An input with some bytes changed, or with one value of its JSON replaced by a value of another input's kind."""
    chance = random.Random(seed)
    head, body = data[:_HEADER], data[_HEADER:]
    at = chance.randrange(body.count(b"\n") + 1)
    pieces = body.split(b"\n")
    try:
        value = json.loads(pieces[at])
        places = list(_places(value))
        holder, name = chance.choice(places)
    except (ValueError, RecursionError, IndexError):
        places = []
    if not places or chance.random() < 0.4:
        return bytes(atheris.Mutate(data, max_size))
    other = chance.choice(places)
    holder[name] = chance.choice(_VALUES) if chance.random() < 0.7 else other[0][other[1]]
    try:
        pieces[at] = json.dumps(value).encode()
    except (ValueError, RecursionError):  # a value that holds itself
        return bytes(atheris.Mutate(data, max_size))
    return (head + b"\n".join(pieces))[:max_size]


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in list(items):
        yield value, name
        yield from _places(inner)


def _values() -> list[Any]:
    """What a value is replaced by: plain values, bodies, and parts of them."""
    bodies = [
        {"instances": [[1, "at"]]},
        {"columns": ["amount", "country"], "data": [[1, "at"]]},
        {"dataframe_split": {"columns": ["0", "1"], "index": [0], "data": [[1, "at"]]}},
        {"names": ["t:0", "t:0"], "ndarray": [[0.5, 1]]},
        {"data": {"names": ["a", "b"], "tensor": {"shape": [1, 2], "values": [1, 2]}}},
        {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]},
        {"outputs": [{"name": "x", "shape": [0, 5], "datatype": "BOOL", "data": []}], "model_version": "7"},
        {"amount": [1, 2], "country": ["at", "ch"]},
        {"predictions": [0.25]},
        {"error": "x"},
        {"inputs": [{"name": "x", "shape": [], "datatype": "BOOL", "data": [0]}]},
        {"inputs": [{"name": "c", "shape": [1], "parameters": {"content_type": "base64"}, "data": ["YXQ=", "?"]}]},
        {"features": [1, "at"]},
    ]
    plain = [None, True, 0, -1, 0.5, 1e308, 10**400, 10**18, float("nan"), float("inf"), "", "\ud800", "\0", "0.5", "x"]
    times = ["2026-03-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", 1e19, "Mon, 1 Jan 26 1:2:3 +99999"]
    texts = [json.dumps(body) for body in bodies] + ["1,at", "1,at\n2,ch", '"', "URI", "BASE64", "CSV", "JSON"]
    texts += [text.decode("latin-1") for text in _binary_bodies()]
    coded = [base64.b64encode(text.encode()).decode() for text in texts]
    return [*plain, *times, *bodies, *texts, *coded, [], {}, [[]], [{}], [1, "at"], {"0": 1, "1": "at"}, [0.5]]


def _binary_bodies() -> Iterator[bytes]:
    """Tensors whose values are behind the JSON."""
    raw = {"FP32": bytes(8), "BF16": bytes(4), "BYTES": b"\2\0\0\0at\0\0\0\0", "INT8": b"\1\2", "BOOL": b"\0\1"}
    for kind, values in raw.items():
        tensor = {"name": "x", "shape": [1, 2], "datatype": kind, "parameters": {"binary_data_size": len(values)}}
        yield json.dumps({"inputs": [tensor]}).encode() + values


_VALUES = _values()


def _tables() -> Iterator[bytes]:
    """Parquet with columns of many types."""
    moments = [datetime(2026, 3, 1, 10, tzinfo=UTC), None]
    kinds = [
        pa.array([1.5, None], pa.float32()),
        pa.array(["1", "x"]),
        pa.array(["at", ""]).dictionary_encode(),
        pa.array([b"1", b"\xff"]),
        pa.array([Decimal("1.5"), None]),
        pa.array([True, None]),
        pa.array([2**63 - 1, None]),
        pa.array(moments, pa.timestamp("ns", "Europe/Vienna")),
        pa.array([2**31 - 1, None], pa.int32()).cast(pa.date32()),
        pa.array([5, None], pa.duration("s")),
        pa.array([{"b": [1, 2]}, None]),
        pa.array([[{"b": 0.5}], []]),
        pa.array([[("b", [0.5])], None], pa.map_(pa.string(), pa.list_(pa.float64()))),
        pa.array(["2026-03-01T10:20:30Z", "soon"], pa.large_string()),
        pa.nulls(2),
    ]
    for number, kind in enumerate(kinds):
        other = kinds[(number + 1) % len(kinds)]
        for roles in (("amount", "country", "a"), ("score", "label", "s"), ("id", "timestamp", "status")):
            sink = io.BytesIO()
            columns = {"amount": pa.array([1.0, 2.0]), "country": pa.array(["at", "ch"]), "score": pa.array([0.5, 1.0])}
            columns |= dict.fromkeys(roles[::2], kind) | {roles[1]: other}
            pq.write_table(pa.table(columns), sink, compression="none")
            yield sink.getvalue()


def seeds() -> Iterator[bytes]:
    """Objects as serving stacks write them, for every reader."""
    more: dict[str, list[tuple[str, bytes]]] = {
        "azureml": [(AZURE.replace("inputs", "outputs"), lines({"specversion": "1.0", "data": SCORES}))],
        "kserve": [
            (KSERVE, lines(kserve_record(ROWS), kserve_record({"predictions": [0.25, 0.75]}, "response"))),
            (KSERVE, KSERVE_CSV + b"u,MSxhdA==,text/csv,a.request,1,s,i,n,c,e,{},{},c,false\n"),
        ],
        "cloudevents": [
            ("t", lines(mlserver_payload(), mlserver_payload("response"))),
            ("t", lines(cloud_event(ROWS), cloud_event({"names": ["a", "b"], "ndarray": [[0.5, 1]]}, "response"))),
            ("t", lines(cloud_event(..., data_base64="W1sxLCAiYXQiXV0="))),
        ],
        "bentoml": [("d", lines(BENTO_SCHEMA, {"timestamp": "2026-03-01", "request_id": "1", "amount": 1}))],
        "sagemaker": [("k", lines(SAGEMAKER, SAGEMAKER))],
        "jsonl": [("a.json", b'{"a":1}{"b":2}{"c"'), ("a.json", b'[{"a": 1},\n{"b": ],\n{"c": 3}')],
        "csv": [
            ("a.csv", 'id;score;"a\n"";"\nä;0.5;1'.encode("latin-1")),
            ("a.csv", "id,score\n1,0.5\n".encode("utf-16")),
        ],
        "parquet": [("a.parquet", _as_parquet(lines({"id": "1", "amount": 1.5, "country": "at", "score": 0.5})))],
    }
    more["parquet"] += [("a.parquet", table) for table in _tables()]
    more["kserve"] += [(KSERVE, lines(kserve_record(body))) for body in _binary_bodies()]
    for which, name in enumerate(BUILT_IN):
        for key, data in SAMPLES[name] + more.get(name, []):
            for meaning in range(0, len(CONFIGS), len(CSV)):
                head = bytes([which, meaning + (data[:2] == b"\xff\xfe"), KEYS.index(key) if key in KEYS else 0])
                ways = range(len(WRAPPED)) if meaning == 0 and name != "parquet" else [128]
                yield from (head + bytes([way]) + data for way in ways)
            small = bytes([which + 13 * (len(BUILT_IN) + 1), 0, 0, 128])
            yield small + b"x" * 500 + b"\n" + data + b"\n" + b"y" * 500


def main() -> None:
    """Write the seeds, and fuzz; or read one input again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="folder for the seeds and what is found; or one input")
    given, libfuzzer = parser.parse_known_args()
    if not given.corpus.is_file():
        given.corpus.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(seeds()):
            (given.corpus / f"seed-{number:04}").write_bytes(data[:4096])
    atheris.Setup([sys.argv[0], str(given.corpus), *libfuzzer], one_input, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
