"""How a column has moved, in words: what a distance between two distributions does not say.

A distance tells that two sets of rows differ and how sure that is. Somebody who is called asks which way: whether the
mean rose, whether a category has gone, whether values are missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from monitoring.measure.quality import outside
from monitoring.profile import CategoricalProfile, ColumnProfile, NumericProfile

# In standard deviations, and as a ratio of them: what is worth a word
_SHIFT, _RATIO = 0.1, 1.25
# Shares that differ by less are not worth one
_SHARE, _OUTSIDE = 0.01, 0.005
# A normal column has 1.35 deviations between its quartiles; far more deviation than that is outliers
_QUARTILES, _OUTLIERS = 1.349, 2.0
_NAMED, _LONGEST = 3, 30
_MOST_PLAIN, _MOST_DECIMALS = 1e9, 6
_WITHOUT_NUMBER = ("(null)", "(not finite)")


@dataclass(frozen=True)
class Moved:
    """What has happened to a column.

    Attributes:
        how: The verb, such as `rose`.
        details: The numbers, the most telling first.
    """

    how: str
    details: tuple[str, ...] = ()


def how_it_moved(now: ColumnProfile, before: ColumnProfile, usual: str = "ordinarily", least: int = 1) -> Moved:
    """How a column differs from what it was.

    Args:
        now: The rows, at least one.
        before: What they are compared with, at least one, on the same bins.
        usual: What the numbers of these are introduced with.
        least: A category with fewer rows on both sides is not named: it may be that of one person.
    """
    if isinstance(now, NumericProfile) and isinstance(before, NumericProfile):
        return _numbers_moved(now, before, usual)
    assert isinstance(now, CategoricalProfile)
    assert isinstance(before, CategoricalProfile)
    named = {name for column in (now, before) for name, rows in _rows(column).items() if rows >= least}
    moved = shares_moved(_shares(now, named), _shares(before, named))
    missing = _missing(now, before, usual)
    if missing and not moved.details:
        return Moved(_without_values(now, before), missing)
    return Moved(moved.how, (*moved.details, *missing))


def shares_moved(now: Mapping[str, float], before: Mapping[str, float]) -> Moved:
    """How the shares of categories differ from what they were: those that changed most, new ones, and vanished ones.

    >>> shares_moved({"a": 0.67, "b": 0.0, "c": 0.33}, {"a": 0.5, "b": 0.25, "c": 0.25})
    Moved(how='lost a category', details=('b 25% → 0%, a 50% → 67%, c 25% → 33%',))
    >>> shares_moved({"a": 0.9, "li": 0.1}, {"a": 1.0})
    Moved(how='has a new category', details=('a 100% → 90%, li 0% → 10%',))
    """
    apart = {name: round(now.get(name, 0.0) - before.get(name, 0.0), 9) for name in {*now, *before}}
    ranked = sorted((name for name in apart if apart[name]), key=lambda name: (-abs(apart[name]), name))
    told = [name for name in ranked[:_NAMED] if abs(apart[name]) >= _SHARE] or ranked[:1]
    new = {name: now[name] for name in ranked if not before.get(name)}
    gone = {name: before[name] for name in ranked if not now.get(name)}
    pairs = (_pair(_short(name), now.get(name, 0.0), before.get(name, 0.0)) for name in told)
    details = [", ".join(pairs)] if told else []
    for word, names in (("new", new), ("gone", gone)):
        rest = [name for name in names if name not in told]
        if rest:
            details.append(f"{word}: {_some(rest)}")
    return Moved(_verb(new, gone), tuple(details))


def _verb(new: Mapping[str, float], gone: Mapping[str, float]) -> str:
    """The verb, from the shares of new categories, and from those that vanished ones had."""
    came, went = sum(new.values()), sum(gone.values())
    if max(came, went) < _SHARE:
        return "changed"
    if went >= came:
        return "lost a category" if len(gone) == 1 else f"lost {len(gone)} categories"
    return "has a new category" if len(new) == 1 else f"has {len(new)} new categories"


def _rows(column: CategoricalProfile) -> dict[str, int]:
    found = column.categories()
    return {**found.counts, **found.new}


def _shares(column: CategoricalProfile, named: AbstractSet[str]) -> dict[str, float]:
    """The share of each category among the values; nulls are no category."""
    found, rows = column.categories(), _rows(column)
    rare = sum(count for name, count in rows.items() if name not in named)
    unnamed = {"(other)": found.other, "(unseen)": found.unseen - sum(found.new.values()), "(rare)": rare}
    told = {**unnamed, **{name: count for name, count in rows.items() if name in named}}
    return {name: count / found.n for name, count in told.items() if count} if found.n else {}


def _numbers_moved(now: NumericProfile, before: NumericProfile, usual: str) -> Moved:
    missing = _missing(now, before, usual)
    if not now.finite or not before.finite:
        return Moved(_without_values(now, before), missing)
    if before.low == before.high and now.low < now.high:
        middle, always = _plain(now.mean or 0.0, before.low)
        return Moved("varies", (f"mean {middle}, {usual} always {always}", *missing))
    centre, shift, ratio = _centre(now, before, usual)
    how, details = "moved", []
    if abs(shift) >= _SHIFT:
        how, details = ("rose" if shift > 0 else "fell"), [centre]
    if now.low == now.high:
        how, details = (
            (how if details else "is constant"),
            [*details, f"always {_plain(now.low, before.low, before.high)[0]}"],
        )
    elif max(ratio, 1 / ratio if ratio else math.inf) >= _RATIO:
        how = how if details else ("spread out" if ratio > 1 else "narrowed")
        details.append(f"{ratio:.1f} times the spread" if ratio > 1 else f"{ratio:.0%} of the spread")
    beyond = outside(now, (before.low, before.high)).value or 0.0
    if beyond >= _OUTSIDE:
        details.append(f"{percent(beyond)} beyond the range")
    if not details:
        how, details = (_without_values(now, before), []) if missing else (how, _fullest_change(now, before))
    return Moved(how, (*details, *missing))


def _centre(now: NumericProfile, before: NumericProfile, usual: str) -> tuple[str, float, float]:
    """Where the middle is, by how many deviations it has moved, and the ratio of the deviations.

    Of columns with far outliers medians and quartiles are told: a mean would be that of the outliers.
    """
    widths = [_between_quartiles(column) for column in (now, before)]
    deviations = [column.deviation or 0.0 for column in (now, before)]
    outliers = any(width and deviation > _OUTLIERS * width for width, deviation in zip(widths, deviations, strict=True))
    if outliers and all(widths):
        middles, spreads, name = [column.quantile(0.5) or 0.0 for column in (now, before)], widths, "median"
    else:
        middles, spreads, name = [column.mean or 0.0 for column in (now, before)], deviations, "mean"
    here, there = _plain(*middles)
    apart, scale = middles[0] - middles[1], spreads[1] or spreads[0]
    # of two constants any difference is one
    shift = apart / scale if scale else math.copysign(float(apart != 0), apart)
    return f"{name} {here}, {usual} {there}", shift, spreads[0] / spreads[1] if spreads[1] else 1.0


def _between_quartiles(column: NumericProfile) -> float:
    low, high = column.quantile(0.25), column.quantile(0.75)
    return 0.0 if low is None or high is None else (high - low) / _QUARTILES


def _fullest_change(now: NumericProfile, before: NumericProfile) -> list[str]:
    """The range of values whose share changed most."""
    shares = [
        {name: rows / column.finite for name, rows in column.cells().items() if name not in _WITHOUT_NUMBER}
        for column in (now, before)
    ]
    name = max(shares[0], key=lambda cell: abs(shares[0][cell] - shares[1][cell]))
    return [_pair(name, shares[0][name], shares[1][name])] if shares[0][name] != shares[1][name] else []


def _missing(now: ColumnProfile, before: ColumnProfile, usual: str) -> tuple[str, ...]:
    """What is said of values that are missing, or are none."""
    found = []
    for what, here, there in (
        ("null", now.nulls, before.nulls),
        ("of another type", now.mismatched, before.mismatched),
        ("not finite", getattr(now, "nonfinite", 0), getattr(before, "nonfinite", 0)),
    ):
        share, ordinary = (
            rows / column.rows if column.rows else 0.0 for rows, column in ((here, now), (there, before))
        )
        if abs(share - ordinary) >= _SHARE:
            found.append(f"{_or_none(share)} are {what}, {usual} {_or_none(ordinary)}")
    return tuple(found)


def _without_values(now: ColumnProfile, before: ColumnProfile) -> str:
    share, ordinary = (column.unusable / column.rows if column.rows else 0.0 for column in (now, before))
    return "lost values" if share > ordinary else "moved"


def _plain(*numbers: float) -> list[str]:
    """Numbers with as many decimals as tell them apart.

    >>> _plain(41.23, 33.0), _plain(1013.2, 1.0), _plain(0.8123, -0.001), _plain(2.3e-9, 1e-9)
    (['41.2', '33.0'], ['1,013', '1'], ['0.81', '0.00'], ['2.3e-09', '1e-09'])
    """
    apart = max(numbers) - min(numbers) or max(abs(number) for number in numbers)
    if not math.isfinite(apart) or max(abs(number) for number in numbers) >= _MOST_PLAIN:
        return [f"{number:.3g}" for number in numbers]
    decimals = max(1 - math.floor(math.log10(apart)), 0) if apart else 0
    if decimals > _MOST_DECIMALS:
        return [f"{number:.3g}" for number in numbers]
    # rounded first, and 0 added: no number is written -0
    return [f"{round(number, decimals) + 0.0:,.{decimals}f}" for number in numbers]


def percent(share: float) -> str:
    """A share for a sentence.

    >>> percent(0.254), percent(0.0123), percent(0.004), percent(0.0), percent(1e-5)
    ('25%', '1%', '0.4%', '0%', '<0.1%')
    """
    if 0 < share < 0.0005:
        return "<0.1%"
    return f"{share:.1%}" if 0 < share < 0.0095 else f"{share:.0%}"


def _or_none(share: float) -> str:
    return percent(share) if share else "none"


def _pair(name: str, now: float, before: float) -> str:
    close = abs(now - before) < _SHARE
    here, there = (f"{share:.1%}" if close and share else percent(share) for share in (now, before))
    return f"{name} {there} → {here}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(_short, names[:_NAMED])) + more


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
