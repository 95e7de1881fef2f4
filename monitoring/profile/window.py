"""The profile of a set of records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, reduce
from itertools import pairwise
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitoring import documents
from monitoring.config.capture import FeatureType
from monitoring.errors import StoredDocumentError
from monitoring.profile.arrow_types import categories, find_column, is_testable, plain, takeable
from monitoring.profile.attributions import Attributions
from monitoring.profile.categorical import (
    CategoricalBuilder,
    CategoricalProfile,
    CategoricalSpec,
    hashes,
    rows_per_code,
    shortened,
)
from monitoring.profile.distribution import Distribution, Histogram
from monitoring.profile.numeric import NumericBuilder, NumericProfile, NumericSpec

KIND, SCHEMA_VERSION = "profile", 2

ColumnSpec = NumericSpec | CategoricalSpec
ColumnProfile = NumericProfile | CategoricalProfile

# Predicted classes, model versions and statuses that are counted by name: those with the lowest hashes, so that any
# partition keeps the same. The rest is counted together.
MOST_NAMES = 200
OTHER, NO_CLASS = "(other)", "(null)"
_WITHOUT_NAME = {OTHER, NO_CLASS, ""}
# Hours that are counted, seven years: the latest
MOST_HOURS = 1 << 16
# A few classes are picked out of a batch in place; for more of them it is sorted.
_FEW_CLASSES = 8
# Cells of width 0.02
SCORE_CELLS = np.arange(1, 50) / 50
# Milliseconds, 24 bins a decade from 0.1 ms to 100 s: a quantile is known to a tenth of itself
LATENCY = NumericSpec.fixed(np.round(10 ** (np.arange(145) / 24 - 1), 6))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_HOUR, _LAST_HOUR = -17_259_888, 70_389_527  # of the years 1 to 9999
_HOUR_UNITS = {"s": 3600, "ms": 3600 * 10**3, "us": 3600 * 10**6, "ns": 3600 * 10**9}


@dataclass(frozen=True)
class RecordColumns:
    """Where a table has what is profiled; an empty name where it has not.

    Attributes:
        feature_prefix: Put before a feature's name.
        score: The model's score, or its prediction in regression.
        prediction: The predicted class.
        event_time: A timestamp.
        model_version: Text.
        status: Response status.
        latency_ms: Milliseconds per call.
        attribution_prefix: Put before a feature's name, of its attribution.
    """

    feature_prefix: str = ""
    score: str = ""
    prediction: str = ""
    event_time: str = ""
    model_version: str = ""
    status: str = ""
    latency_ms: str = ""
    attribution_prefix: str = ""


# The canonical records of a window
RECORDS = RecordColumns(
    "feature:", "score", "prediction", "event_time", "model_version", "status", "latency_ms", "attribution:"
)


@dataclass(frozen=True, eq=False)
class ProfileSpec:
    """What is profiled, and on which bins.

    Attributes:
        features: One spec per feature.
        score: The score's.
    """

    features: dict[str, ColumnSpec] = field(default_factory=dict)
    score: NumericSpec = NumericSpec.fixed(SCORE_CELLS)  # noqa: RUF009  (a constant)

    @classmethod
    def learn(cls, table: pa.Table, kinds: Mapping[str, FeatureType], columns: RecordColumns = RECORDS) -> Self:
        """Freeze the bins and categories of baseline rows.

        Args:
            table: The rows.
            kinds: The features.
            columns: Where they are.
        """
        features = {}
        for name, kind in kinds.items():
            column = find_column(table, columns.feature_prefix + name)
            features[name] = learn_column(pa.nulls(0) if column is None else column, kind)
        score = find_column(table, columns.score) if columns.score else None
        return cls(features) if score is None else cls(features, learn_score(score))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProfileSpec) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all of it."""
        return documents.fingerprint(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "features": {name: spec.to_json() for name, spec in self.features.items()},
            "score": self.score.to_json(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """From `to_json`."""
        features: dict[str, ColumnSpec] = {
            name: (NumericSpec if spec["kind"] == "numeric" else CategoricalSpec).from_json(spec)
            for name, spec in data["features"].items()
        }
        return cls(features, NumericSpec.from_json(data["score"]))


def learn_column(column: pa.ChunkedArray | pa.Array, kind: FeatureType) -> ColumnSpec:
    """Freeze the bins or categories of a baseline column."""
    return NumericSpec.learn(column) if kind == "numeric" else CategoricalSpec.learn(column)


def learn_score(column: pa.ChunkedArray | pa.Array) -> NumericSpec:
    """Freeze the bins of a score: probabilities have cells of width 0.02, other scores quantiles."""
    spec = NumericSpec.learn(column, fixed_cells=SCORE_CELLS)
    found = NumericProfile.of(column, spec)
    is_probability = not found.finite or (found.low >= 0 and found.high <= 1)
    return spec if is_probability else NumericSpec.learn(column)


@dataclass(frozen=True, eq=False)
class WindowProfile:
    """The mergeable state of some records.

    Attributes:
        spec: What the baseline froze.
        rows: Records.
        features: One profile per feature.
        scores: The model's score, by predicted class; `(null)` where none was predicted.
        latency: Milliseconds per call, null where the capture has none.
        versions: Records per model version.
        statuses: Records per response status.
        hours: Records per hour of inference time (ISO 8601, UTC); a time that is missing or no timestamp has none.
        attributions: How much each feature mattered, where the capture says it.
    """

    spec: ProfileSpec
    rows: int
    features: dict[str, ColumnProfile]
    scores: dict[str, NumericProfile]
    latency: NumericProfile
    versions: dict[str, int]
    statuses: dict[str, int]
    hours: dict[str, int]
    attributions: Attributions = field(default_factory=Attributions)

    @classmethod
    def empty(cls, spec: ProfileSpec) -> Self:
        """The profile of no records."""
        return cls.built(WindowBuilder(spec))

    @classmethod
    def of(cls, records: pa.Table | pa.RecordBatch, spec: ProfileSpec, columns: RecordColumns = RECORDS) -> Self:
        """The profile of records.

        Args:
            records: A table.
            spec: What to profile.
            columns: Where the table has it.
        """
        builder = WindowBuilder(spec, columns)
        builder.add(records)
        return cls.built(builder)

    @classmethod
    def built(cls, builder: WindowBuilder) -> Self:
        """The profile of what a builder was given."""
        features: dict[str, ColumnProfile] = {}
        for name, column in builder.features.items():
            if isinstance(column, NumericBuilder):
                features[name] = NumericProfile.built(column)
            else:
                features[name] = CategoricalProfile.built(column)
        return cls(
            builder.spec,
            builder.rows,
            features,
            {name: NumericProfile.built(builder.scores[name]) for name in sorted(builder.scores)},
            NumericProfile.built(builder.latency),
            _sorted(builder.versions),
            _sorted(builder.statuses),
            _latest(_hour_names(builder.hours)),
            builder.attributions,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WindowProfile) and self.pack() == other.pack()

    def __hash__(self) -> int:
        return hash(self.pack())

    def merge(self, other: Self) -> Self:
        """The profile of both sets of records.

        Raises:
            ValueError: They were made on different bins.
        """
        if self.spec is not other.spec and self.spec != other.spec:
            raise ValueError("profiles on the bins of different baselines cannot be merged")
        kept = _named({*self.scores, *other.scores})
        scores: dict[str, NumericProfile] = {}
        for name, profile in [*self.scores.items(), *other.scores.items()]:
            label = name if name in kept else OTHER
            scores[label] = _merge(scores.get(label), profile)
        return type(self)(
            self.spec,
            self.rows + other.rows,
            {name: _merge(profile, other.features[name]) for name, profile in self.features.items()},
            {name: scores[name] for name in sorted(scores)},
            self.latency.merge(other.latency),
            _sorted(_bounded(Counter(self.versions) + Counter(other.versions))),
            _sorted(_bounded(Counter(self.statuses) + Counter(other.statuses))),
            _latest(Counter(self.hours) + Counter(other.hours)),
            self.attributions.merge(other.attributions),
        )

    @cached_property
    def score(self) -> NumericProfile:
        """The score of all predicted classes together."""
        return reduce(NumericProfile.merge, self.scores.values(), NumericProfile.empty(self.spec.score))

    @property
    def positives(self) -> int:
        """Positive predictions."""
        return sum(self.scores[name].rows for name in ("true", "1") if name in self.scores)

    def distribution(self, name: str) -> Distribution:
        """What measurements read of a feature."""
        column = self.features[name]
        return column.histogram() if isinstance(column, NumericProfile) else column.categories()

    def score_distribution(self) -> Histogram:
        """What measurements read of the score."""
        return self.score.histogram()

    def pack(self, **about: Any) -> bytes:
        """The canonical bytes, with some more JSON values beside the profile.

        They hold no value of a row but the names of categories, and the lowest and the highest number of a column.
        """
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        for name, column in self._columns().items():
            arrays |= {f"{name}/{part}": array for part, array in column.arrays().items()}
        head = {
            "about": about,
            "spec": self.spec.fingerprint,
            "rows": self.rows,
            "columns": {name: column.head() for name, column in self._columns().items()},
            "classes": list(self.scores),
            "versions": self.versions,
            "statuses": self.statuses,
            "hours": self.hours,
        }
        if self.attributions.rows:
            head["attributions"] = self.attributions.to_json()
        return documents.pack(KIND, SCHEMA_VERSION, head, arrays)

    def _columns(self) -> dict[str, ColumnProfile]:
        scores = {f"score/{name}": profile for name, profile in self.scores.items()}
        return {f"feature/{name}": p for name, p in self.features.items()} | scores | {"latency": self.latency}

    @classmethod
    def unpack(cls, packed: Packed, spec: ProfileSpec) -> Self:
        """The profile in a document, with the spec that it was made with.

        Raises:
            StoredDocumentError: It was made with another one.
        """
        head, arrays = packed.head, packed.arrays
        if head["spec"] != spec.fingerprint:
            raise StoredDocumentError("a profile on the bins of another baseline", where=packed.where)
        parts: dict[str, dict[str, np.ndarray[Any, Any]]] = {name: {} for name in head["columns"]}
        for label, array in arrays.items():
            name, _, part = label.rpartition("/")
            parts[name][part] = array

        def restore(name: str, column: ColumnSpec) -> Any:
            kind = NumericProfile if isinstance(column, NumericSpec) else CategoricalProfile
            return kind.restore(column, head["columns"][name], parts[name])  # type: ignore[arg-type]

        return cls(
            spec,
            head["rows"],
            {name: restore(f"feature/{name}", column) for name, column in spec.features.items()},
            {name: restore(f"score/{name}", spec.score) for name in head["classes"]},
            restore("latency", LATENCY),
            head["versions"],
            head["statuses"],
            head["hours"],
            Attributions(**head.get("attributions", {})),
        )


@dataclass(frozen=True, eq=False)
class Packed:
    """A stored profile that was read, and not yet given its spec.

    Attributes:
        head: Its JSON values.
        arrays: Its arrays.
        where: Where it was.
    """

    head: dict[str, Any]
    arrays: dict[str, np.ndarray[Any, Any]]
    where: str

    @classmethod
    def read(cls, data: bytes, where: str) -> Self:
        """Read what `WindowProfile.pack` wrote.

        Raises:
            StoredDocumentError: It is something else, damaged, or of another version.
        """
        head, arrays = documents.unpack(data, KIND, SCHEMA_VERSION, where)
        return cls(head, arrays, where)

    @property
    def about(self) -> dict[str, Any]:
        """What was stored beside the profile."""
        return dict(self.head["about"])


class WindowBuilder:
    """Adds batches of records to a profile, in place."""

    def __init__(self, spec: ProfileSpec, columns: RecordColumns = RECORDS) -> None:
        self.spec, self.columns = spec, columns
        self.rows = 0
        self.features: dict[str, NumericBuilder | CategoricalBuilder] = {
            name: NumericBuilder(column) if isinstance(column, NumericSpec) else CategoricalBuilder(column)
            for name, column in spec.features.items()
        }
        self.scores: dict[str, NumericBuilder] = {}
        self.latency = NumericBuilder(LATENCY)
        self.versions: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.hours: Counter[int] = Counter()
        self.attributions = Attributions()

    def add(self, records: pa.Table | pa.RecordBatch) -> None:
        """Add some records."""
        self.rows += records.num_rows
        for name, feature in self.features.items():
            found = find_column(records, self.columns.feature_prefix + name)
            for chunk in _chunks(pa.nulls(records.num_rows) if found is None else found):
                feature.add(chunk)
        self._add_scores(records)
        if self.columns.attribution_prefix:
            added = Attributions.of(records, self.columns.attribution_prefix)
            self.attributions = self.attributions.merge(added)
        for chunk in self._chunks_of(records, self.columns.latency_ms):
            self.latency.add(chunk)
        for chunk in self._chunks_of(records, self.columns.model_version):
            self.versions = _bounded(self.versions + _counts(chunk))
        for chunk in self._chunks_of(records, self.columns.status):
            self.statuses = _bounded(self.statuses + _counts(chunk))
        for chunk in self._chunks_of(records, self.columns.event_time):
            self.hours += _hours(chunk)
            if len(self.hours) > 2 * MOST_HOURS:
                self.hours = Counter({hour: self.hours[hour] for hour in sorted(self.hours)[-MOST_HOURS:]})

    def _chunks_of(self, records: pa.Table | pa.RecordBatch, name: str) -> Iterable[pa.Array]:
        found = find_column(records, name) if name else None
        return [] if found is None else _chunks(found)

    def _add_scores(self, records: pa.Table | pa.RecordBatch) -> None:
        score = find_column(records, self.columns.score) if self.columns.score else None
        if score is None:
            return
        predicted = find_column(records, self.columns.prediction) if self.columns.prediction else None
        if predicted is None:
            for chunk in _chunks(score):
                self._score_of("").add(chunk)
            return
        values = takeable(score)
        classes = _texts(predicted)
        names = _short_names(classes.dictionary)
        rows = rows_per_code(classes)
        kept = _named({*self.scores, *(name for name, n in zip(names, rows.tolist(), strict=False) if n)})
        for name in self.scores.keys() - kept:
            self._score_of(OTHER).merge(self.scores.pop(name))
        labels = [*(name if name in kept else OTHER for name in names), NO_CLASS]
        used = np.flatnonzero(rows).tolist()
        codes = classes.indices.fill_null(len(names)) if classes.null_count else classes.indices
        if len(used) <= _FEW_CLASSES:
            for code in used:
                self._score_of(labels[code]).add(values, pc.equal(codes, code))
            return
        # rows of one label side by side
        places = {label: place for place, label in enumerate(sorted({labels[code] for code in used}))}
        of_code = np.array([places.get(label, -1) for label in labels])
        of_row = of_code[codes.to_numpy()]
        together = values.take(pa.array(np.argsort(of_row, kind="stable")))
        ends = np.cumsum(np.bincount(of_row, minlength=len(places))).tolist()
        for label, (start, end) in zip(places, pairwise([0, *ends]), strict=True):
            self._score_of(label).add(together.slice(start, end - start))

    def _score_of(self, name: str) -> NumericBuilder:
        if name not in self.scores:
            self.scores[name] = NumericBuilder(self.spec.score)
        return self.scores[name]


def _chunks(column: pa.Array | pa.ChunkedArray) -> Iterable[pa.Array]:
    return column.chunks if isinstance(column, pa.ChunkedArray) else [column]


def _merge(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    return a.merge(b)


def _texts(column: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    """The values as texts; what is no single value has none."""
    return categories(column if is_testable(column.type) else pa.nulls(len(column), pa.string()))


def _short_names(names: pa.StringArray) -> list[str]:
    return [shortened(name, bits) for name, bits in zip(names.to_pylist(), hashes(names).tolist(), strict=True)]


def _counts(column: pa.Array) -> Counter[str]:
    texts = _texts(column)
    counts: Counter[str] = Counter()
    for name, n in zip(_short_names(texts.dictionary), rows_per_code(texts).tolist(), strict=False):
        if n:
            counts[name] += n
    return counts


def _named(names: Iterable[str]) -> set[str]:
    """The names that are counted: those with the lowest hashes. One that is left out here is left out of more, too."""
    found = sorted({*names} - _WITHOUT_NAME)
    if len(found) > MOST_NAMES:
        ranked = sorted(zip(hashes(pa.array(found, pa.string())).tolist(), found, strict=True))
        found = [name for _, name in ranked[:MOST_NAMES]]
    return {*found} | _WITHOUT_NAME


def _bounded(counts: Counter[str]) -> Counter[str]:
    if len(counts) <= MOST_NAMES:
        return counts
    kept = _named(counts)
    bounded: Counter[str] = Counter()
    for name, n in counts.items():
        bounded[name if name in kept else OTHER] += n
    return bounded


def _hours(column: pa.Array) -> Counter[int]:
    """Rows per hour since 1970."""
    array = plain(column)
    if pa.types.is_dictionary(array.type):
        array = takeable(array.dictionary).take(array.indices)
    if not pa.types.is_timestamp(array.type):
        return Counter()
    array = array.drop_null()
    hours = array.cast(pa.int64()).to_numpy() // _HOUR_UNITS[array.type.unit]
    found, counts = np.unique(hours[(hours >= _FIRST_HOUR) & (hours <= _LAST_HOUR)], return_counts=True)
    return Counter(dict(zip(found.tolist(), counts.tolist(), strict=True)))


def _hour_names(hours: Mapping[int, int]) -> dict[str, int]:
    return {(_EPOCH + timedelta(hours=hour)).isoformat()[:13] + "Z": n for hour, n in hours.items()}


def _latest(hours: Mapping[str, int]) -> dict[str, int]:
    return {hour: hours[hour] for hour in sorted(hours)[-MOST_HOURS:]}


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))
