"""What stands in SageMaker's `statistics.json` and `constraints.json`.

The shapes are those of the developer guide ("Schema for statistics", "Schema for constraints"), and of files that its
containers wrote. Keys that are not read here are ignored: the files carry more than the guide says.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from monitoring.errors import ConfigError

Type = Literal["Integral", "Fractional", "String", "Unknown"]
Switch = Literal["Enabled", "Disabled"]
NUMERIC_TYPES: tuple[Type, ...] = ("Integral", "Fractional")


def _finite(value: Any) -> Any:
    """None for what is no number: containers write NaN and infinities as texts."""
    if isinstance(value, str) and value.lower() in {"nan", "infinity", "-infinity"}:
        return None
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]


class Part(BaseModel):
    """Any object of the files."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Common(Part):
    """How many rows have a value."""

    num_present: int = Field(ge=0)
    num_missing: int = Field(ge=0)


class KllBucket(Part):
    """Values from the lower bound on, and below the upper one; the last bucket has its upper bound, too."""

    lower_bound: float
    upper_bound: float
    count: int = Field(ge=0)


class KllSketch(Part):
    """A quantile sketch: each value in `data[level]` stands for 2^level values.

    Karnin, Lang and Liberty, Optimal quantile approximation in streams, FOCS 2016. As long as there is one level only,
    its values are all the values of the column.
    """

    data: list[list[float]] = []


class Kll(Part):
    """The distribution of a number."""

    buckets: list[KllBucket] = []
    sketch: KllSketch = KllSketch()


class CategoryBucket(Part):
    """A category and its rows."""

    value: str
    count: int = Field(ge=0)


class Categorical(Part):
    """The distribution of a text."""

    buckets: list[CategoryBucket] = []


class Distribution(Part):
    """The distribution of a column."""

    kll: Kll | None = None
    categorical: Categorical | None = None


class NumericalStatistics(Part):
    """A column of numbers. `std_dev` divides by the number of rows."""

    common: Common
    mean: Number = None
    sum: Number = None
    std_dev: Number = None
    min: Number = None
    max: Number = None
    distribution: Distribution = Distribution()


class StringStatistics(Part):
    """A column of texts."""

    common: Common
    distinct_count: Number = None
    distribution: Distribution = Distribution()


class FeatureStatistics(Part):
    """A column."""

    name: str
    inferred_type: Type
    numerical_statistics: NumericalStatistics | None = None
    string_statistics: StringStatistics | None = None

    @property
    def common(self) -> Common | None:
        """How many rows have a value; None for a column about which nothing is said."""
        found = self.numerical_statistics or self.string_statistics
        return found.common if found else None


class Dataset(Part):
    """The rows."""

    item_count: int = Field(ge=0)


class Statistics(Part):
    """`statistics.json` of a data quality job."""

    dataset: Dataset
    features: list[FeatureStatistics] = Field(min_length=1)

    @classmethod
    def parse(cls, data: bytes, where: str) -> Statistics:
        """Read a file.

        Args:
            data: Its bytes.
            where: What it is called in errors.

        Raises:
            ConfigError: It is something else.
        """
        return _parsed(cls, data, where, "statistics.json of a data quality baseline")

    def column(self, name: str) -> FeatureStatistics | None:
        """A column by its name."""
        return next((column for column in self.features if column.name == name), None)


class Overrides(Part):
    """What is different for one column."""

    evaluate_constraints: Switch = "Enabled"


class NumConstraints(Part):
    """What a number must be."""

    is_non_negative: bool | None = None


class StringConstraints(Part):
    """What a text must be."""

    domains: list[str] = []
    monitoring_config_overrides: Overrides = Overrides()


class FeatureConstraints(Part):
    """What a column must be."""

    name: str
    inferred_type: Type
    completeness: Number = Field(None, ge=0, le=1)
    num_constraints: NumConstraints = NumConstraints()
    string_constraints: StringConstraints = StringConstraints()
    # The guide and the containers spell it differently
    overrides: Overrides = Field(
        Overrides(), validation_alias=AliasChoices("monitoringConfigOverrides", "monitoring_config_overrides")
    )

    @property
    def evaluated(self) -> bool:
        """Whether the column is monitored."""
        both = (self.overrides, self.string_constraints.monitoring_config_overrides)
        return all(item.evaluate_constraints == "Enabled" for item in both)


class DistributionConstraints(Part):
    """How far distributions may move."""

    perform_comparison: Switch = "Enabled"
    comparison_threshold: float | None = None
    comparison_method: str = "Robust"
    categorical_comparison_threshold: float | None = None
    categorical_drift_method: str = "LInfinity"


class MonitoringConfig(Part):
    """What holds for all columns."""

    evaluate_constraints: Switch = "Enabled"
    datatype_check_threshold: float | None = Field(None, ge=0, le=1)
    domain_content_threshold: float | None = Field(None, ge=0, le=1)
    distribution_constraints: DistributionConstraints | None = None


class MetricConstraint(Part):
    """Where a number about labelled rows is too bad."""

    threshold: Number = None
    comparison_operator: Literal["LessThanThreshold", "GreaterThanThreshold"]


class Constraints(Part):
    """`constraints.json` of a data quality job, or of a model quality job."""

    features: list[FeatureConstraints] = []
    monitoring_config: MonitoringConfig = MonitoringConfig()
    binary_classification_constraints: dict[str, MetricConstraint] | None = None
    multiclass_classification_constraints: dict[str, MetricConstraint] | None = None
    regression_constraints: dict[str, MetricConstraint] | None = None

    @classmethod
    def parse(cls, data: bytes, where: str) -> Constraints:
        """Read a file.

        Args:
            data: Its bytes.
            where: What it is called in errors.

        Raises:
            ConfigError: It is something else.
        """
        found = _parsed(cls, data, where, "constraints.json of a data or model quality baseline")
        if not found.features and not found.model_quality:
            allowed = ["features", *(f"{name}_constraints" for name in _TASKS)]
            raise ConfigError("no constraints of data or model quality", where=where, allowed=allowed)
        return found

    @property
    def model_quality(self) -> dict[str, dict[str, MetricConstraint]]:
        """The constraints of labelled rows, by the task of the model."""
        found = (
            self.binary_classification_constraints,
            self.multiclass_classification_constraints,
            self.regression_constraints,
        )
        return {task: metrics for task, metrics in zip(_TASKS.values(), found, strict=True) if metrics}

    def domain(self, name: str) -> list[str]:
        """The categories that a column may have, as far as they are said."""
        return next((item.string_constraints.domains for item in self.features if item.name == name), [])


_TASKS = {"binary_classification": "binary", "multiclass_classification": "multiclass", "regression": "regression"}
File = TypeVar("File", Statistics, Constraints)


def _parsed(kind: type[File], data: bytes, where: str, what: str) -> File:
    try:
        found = kind.model_validate(json.loads(data))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"not a {what}: {place}: {first['msg']}", where=where) from None
    except ValueError as error:
        raise ConfigError(f"not a {what}: no JSON", where=where) from error
    names = Counter(column.name for column in found.features)
    repeated = [name for name, times in names.items() if times > 1]
    if repeated:
        raise ConfigError(f"the column {repeated[0]!r} stands twice", where=where)
    return found
