"""The numbers and the check of the page on verdicts: recomputed, and installed as a package."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
import yaml

from monitoring.config import ModelConfig
from monitoring.config.added_checks import GROUP, added_checks
from monitoring.config.checks import Alarms
from monitoring.errors import ConfigError
from monitoring.judge.beyond import SURE, Beyond, distance_test
from monitoring.judge.e_detector import path, threshold
from monitoring.judge.family import share_of
from monitoring.judge.limits import learn_limits
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.profile import WindowProfile
from tests.conftest import merged
from tests.judge.conftest import Bench, Rows, labelled, make_rows

PAGE = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text()
TOY = {"columns": {"features": {"amount": "numeric", "country": "categorical", "age": None}}}
MakeConfig = Callable[..., ModelConfig]


def moved(rows: Rows, by: float) -> Rows:
    return replace(rows, amount=[min(max((value or 0.0) + by, 0.0), 100.0) for value in rows.amount])


def drift(bench: Bench, by: float) -> Finding:
    verdict = bench.judge(moved(make_rows(99), by))
    return next(item for item in verdict.findings if (item.check, item.subject) == ("feature_drift", "amount"))


def numbers(bench: Bench, finding: Finding) -> tuple[float, float]:
    """The p-values beyond the tolerance, and among ordinary windows."""
    assert finding.measurement is not None
    assert finding.measurement.value is not None
    spread = bench.limits.telling("feature_drift:amount", 1)
    test = distance_test(finding.measurement, spread, bench.config.checks.feature_drift.tolerance, 0.98)
    tolerated, ordinary = test.tests
    assert isinstance(tolerated, Beyond)
    return tolerated.of_tolerance.p_value(finding.measurement.value), ordinary.p_value(finding.measurement.value)


def wandering(config: ModelConfig) -> Bench:
    """60 days whose amounts wander."""
    random, level, days = np.random.default_rng(1), 0.0, []
    for seed in range(60):
        level = 0.7 * level + float(random.normal()) * (1 - 0.7**2) ** 0.5
        days.append(moved(make_rows(seed), 8 * level))
    bench = Bench(config)
    profiles = [day.profile(config) for day in days]
    bench.limits = learn_limits(profiles, *labelled([day.outcomes() for day in days]), longest=3, hours=24)
    whole = reduce(WindowProfile.merge, profiles)
    bench.reference = replace(bench.reference, profile=whole, limits=bench.limits)
    return bench


def test_the_first_table(make_config: MakeConfig) -> None:
    bench = Bench(make_config(**TOY))
    for by in (0, 4, 8, 10, 12):
        finding = drift(bench, by)
        assert finding.measurement
        tolerated, unchanged = numbers(bench, finding)
        row = f"| {by} | {finding.measurement.value:.3f} | {tolerated:.2g} | {unchanged:.2g} | {finding.status} |"
        assert row in PAGE
        assert finding.level is not None
        assert (finding.status == Status.WARN) == (tolerated <= SURE and unchanged <= finding.level)
    assert f"> {finding.message}\n" in PAGE
    first = f"the ordinary distance {finding.baseline:.3g}, `p_value` {finding.p_value:.2g}"
    fields = f"{first}, `level` {finding.level:.2g}, `limit` {finding.limit:.3g}"
    assert f"{fields}, and `detectable` {finding.detectable:.3f}" in PAGE


def test_the_second_table(make_config: MakeConfig) -> None:
    bench = wandering(make_config(**TOY))
    for by in (12, 20, 30, 40):
        finding = drift(bench, by)
        assert finding.measurement
        tolerated, ordinary = numbers(bench, finding)
        first = f"{tolerated:.2g}" if tolerated > 1e-20 else "< 1e-20"
        row = f"| {by} | {finding.measurement.value:.3f} | {first} | {ordinary:.2g} | {finding.status} |"
        assert row in PAGE
        if finding.status is Status.INFO:
            assert f"the limit of that is {finding.limit:.3f}, at a level of {finding.level:.2g}" in PAGE
    assert f"The limit of a warning is {finding.limit:.3f} instead of" in PAGE
    assert f"60 days are worth {bench.limits.spreads['feature_drift:amount'][0].independent:.0f}" in PAGE


def test_the_shares_of_the_budget() -> None:
    section = PAGE.split("## The alarm budget")[1].split("\n## ")[0]
    kinds = ("watch", "performance", "data", "drift")
    for severity in (Status.FAIL, Status.WARN, Status.INFO):
        [cells] = re.findall(rf"^\| `{severity}` \| (.*) \|$", section, re.MULTILINE)
        shown = [cell for cell in cells.split(" | ") if cell != "none by default"]
        month = getattr(Alarms(), severity)
        shares = [share_of(Alarms(), severity, kind, 30 * 24) / month for kind in kinds[: len(shown)]]
        assert [float(cell) for cell in shown] == pytest.approx(shares)


def test_the_table_of_the_loss() -> None:
    rate = share_of(Alarms(), Status.FAIL, "watch", 24)
    border = threshold(rate, 60)
    assert f"makes {rate:.2g} a day, and a threshold of {border:.0f}" in PAGE
    section = PAGE.split("## The loss, window after window")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d) \| (0\.\d+) \| (\S+) \| (\S+) \| (.*?) ?\|$", section, re.MULTILINE)
    losses = [float(loss) for _, loss, *_ in rows]
    excess = [(loss - 0.165) / 0.012 for loss in losses]
    found = path(excess, border, 60)
    assert [shown.replace("−", "-") for _, _, shown, *_ in rows] == [f"{value:+.2f}" for value in excess]
    assert [shown for *_, shown, _ in rows] == [f"{value:.1f}" for value in found.evidence]
    said = [f"alarm, since day {since + 1}" if since is not None else "" for since in found.since]
    assert [shown for *_, shown in rows] == said
    assert path([*excess[:3], (0.25 - 0.165) / 0.012], border, 60).alarm[-1]


def test_every_field_of_a_finding_is_explained() -> None:
    section = PAGE.split("## What a finding holds")[1].split("\n## ")[0]
    assert set(re.findall(r"`(\w+)`", section)) == set(Finding.__dataclass_fields__)


@pytest.fixture
def blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The page's blocks by the file that their first line names, and its package as if it were installed."""
    found = dict(re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    site = tmp_path / "site"
    (site / "unsure_check").mkdir(parents=True)
    (site / "unsure_check/__init__.py").write_text(found["unsure_check/__init__.py"])
    about = site / "unsure_check-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: unsure-check\nVersion: 1.0\n")
    [point] = re.findall(rf'\[project.entry-points."{GROUP}"\]\n(.*)\n', found["pyproject.toml"])
    name, value = point.split(" = ")
    (about / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {value.strip(chr(34))}\n")
    monkeypatch.syspath_prepend(str(site))
    added_checks.cache_clear()
    yield found
    added_checks.cache_clear()


def unsure(rows: Rows) -> Rows:
    return replace(rows, score=[0.5 + (score - 0.5) / 3 for score in rows.score])


def test_the_check_of_the_page(blocks: dict[str, str], make_config: MakeConfig) -> None:
    bench = Bench(make_config(**merged(TOY, yaml.safe_load(blocks["models/toy.yaml"]))))
    for rows, status, code in (
        (make_rows(99), Status.OK, Code.WITHIN_LIMITS),
        (unsure(make_rows(99)), Status.INFO, Code.PREDICTION_DRIFT),
        (make_rows(99, 30), Status.INFO, Code.TOO_FEW_ROWS),
    ):
        verdict = bench.judge(rows)
        [finding] = [item for item in verdict.findings if item.check == "unsure"]
        assert (finding.status, finding.code) == (status, code)
    # with those of two features and of the score, which may warn
    assert bench.judge(make_rows(99)).families["info drift"]["questions"] == 4


def test_its_settings_have_their_type_and_their_defaults(blocks: dict[str, str], make_config: MakeConfig) -> None:
    rule = make_config(checks={"unsure": {"min_rows": 300}}).checks.added["unsure"]
    assert rule.model_dump() == {
        "severity": "warn",
        "limit": "baseline",
        "tolerance": 0.05,
        "min_rows": 300,
        "within": 0.1,
    }
    with pytest.raises(ValueError, match="within"):
        make_config(checks={"unsure": {"within": 0.9}})


def test_a_check_that_is_not_installed_is_refused(make_config: MakeConfig) -> None:
    added_checks.cache_clear()
    with pytest.raises((ValueError, ConfigError), match="unsure"):
        make_config(checks={"unsure": {"within": 0.2}})
