"""One finding in words: how large it is, how sure that is, what else it explains, and what to do first."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.judge.advice import advice
from monitoring.judge.verdict import Code, Finding, Status
from monitoring.report.text import CHECK_WORDS, how_often, plural, short, with_interval
from monitoring.window import LENGTHS, Every

# Checks that watch a loss from window to window: their level is that of an alarm which may be looked at every time
WATCHES = frozenset({"loss", "estimated_loss"})
# How many of the checks that a finding explains are named
_NAMED = 5
_THOUSAND_YEARS = 1000 * 365 * 24
_RISES = frozenset({Code.FEATURE_DRIFT, Code.PREDICTION_DRIFT})
_LIMIT = "Beyond a limit that the configuration sets, however often that happens by chance."
_FACT = "A plain fact, in which no chance is involved."


@dataclass(frozen=True)
class Loss:
    """The loss that impacts are told in.

    Attributes:
        title: What it is called.
        ordinary: The baseline's mean; None where that is not known.
    """

    title: str = "loss"
    ordinary: float | None = None


def hours_of(every: Every) -> int:
    """Hours in a window."""
    return LENGTHS[every] // LENGTHS["hour"]


def check_name(check: str) -> str:
    """What people call a check; the key of one that somebody has added."""
    return CHECK_WORDS.get(check, check)


def about(finding: Finding) -> str:
    """What a finding is about, in a few words.

    >>> about(Finding("nulls", "age", Status.FAIL, Code.NULLS_INCREASED, ""))
    'Nulls of age'
    """
    of = f" of {finding.subject}" if finding.subject else ""
    return f"{check_name(finding.check)}{of}{f' against {finding.reference}' if finding.reference else ''}"


def details(finding: Finding, every: Every, loss: Loss) -> dict[str, str]:
    """What there is to know of a finding beside its sentence, by what each part is called.

    Args:
        finding: One that is not within its limits.
        every: Length of a window.
        loss: The loss that impacts are told in.
    """
    parts = {
        "Effect": effect(finding, every),
        "How sure": sureness(finding, every),
        "Cost": cost(finding, loss),
        "Explains": explains(finding),
        "Together with": f"the columns of the group of {finding.group}, which drift as one" if finding.group else "",
    }
    return {name: told for name, told in parts.items() if told}


def effect(finding: Finding, every: Every) -> str:
    """The value with its interval, what is ordinary, the limit, and the rows; empty where nothing was measured.

    >>> from monitoring.measure import Measurement
    >>> share = Measurement("nulls", 0.41, 988, "high", "share of nulls", 0.38, 0.44)
    >>> effect(Finding("nulls", "age", Status.FAIL, Code.NULLS_INCREASED, "", share, 0.03, 0.1), "day")
    '0.410 [0.380, 0.440], ordinarily 0.03, limit 0.1; 988 rows'
    """
    found = finding.measurement
    if found is None or found.value is None:
        return ""
    parts = [with_interval(found)]
    parts += [] if finding.baseline is None else [f"ordinarily {short(finding.baseline)}"]
    parts += [] if finding.limit is None else [f"limit {short(finding.limit)}"]
    over = f" over {plural(finding.windows, every)}" if finding.windows > 1 else ""
    return f"{', '.join(parts)}; {plural(found.rows, 'row')}{over}"


def sureness(finding: Finding, every: Every) -> str:
    """How sure it is that this is no chance; empty where nothing could be judged.

    >>> drift = Finding("feature_drift", "age", Status.WARN, Code.FEATURE_DRIFT, "", p_value=2e-5, level=1e-4)
    >>> sureness(drift, "day")
    "Windows like the baseline's are so far off at most once in 140 years; what is rarer than once in 27 years counts."
    """
    hours = hours_of(every)
    if finding.status is Status.UNKNOWN:
        return ""
    if finding.check in WATCHES and finding.level is not None:
        start = f"Since {finding.since}. " if finding.since else ""
        often = how_often(finding.level, hours)
        return f"{start}With nothing changed, the alarm that watches it would be raised at most {often}."
    if finding.p_value is None:
        return _LIMIT if finding.limit is not None else _FACT
    often = reached(finding, every)
    most = often if often.startswith("less") else f"at most {often}"
    counts = f"; what is rarer than {how_often(finding.level, hours)} counts" if finding.level is not None else ""
    return f"Windows like the baseline's are so far off {most}{counts}."


def reached(finding: Finding, every: Every) -> str:
    """How often ordinary windows are so far off; empty where that is not known.

    How rare the rarest are is not known from a few months: beyond a thousand years no more is told, unless the level
    lies there too.

    >>> finding = Finding("nulls", "age", Status.FAIL, Code.NULLS_INCREASED, "", p_value=1e-9, level=0.01)
    >>> reached(finding, "day")
    'less than once in 1,000 years'
    """
    if finding.p_value is None or finding.check in WATCHES:
        return ""
    rare = hours_of(every) / _THOUSAND_YEARS
    if finding.p_value < rare and (finding.level is None or finding.level >= rare):
        return "less than once in 1,000 years"
    return how_often(finding.p_value, hours_of(every))


def cost(finding: Finding, loss: Loss) -> str:
    """How much of the loss it could explain; empty where that is not known.

    >>> drift = Finding("feature_drift", "age", Status.WARN, Code.FEATURE_DRIFT, "", impact=0.012)
    >>> cost(drift, Loss("Brier score", 0.15))
    'could explain 0.012 of the Brier score, 8 % of what is ordinary'
    """
    if finding.impact is None:
        return ""
    share = f", {finding.impact / loss.ordinary:.0%} of what is ordinary".replace("%", " %") if loss.ordinary else ""
    if finding.code not in _RISES:
        return f"adds {finding.impact:.2g} to the {loss.title} of all rows{share}"
    if finding.impact <= 0:
        return f"none is to be expected, since the rows have moved to where the {loss.title} is ordinarily no higher"
    return f"could explain {finding.impact:.2g} of the {loss.title}{share}"


def explains(finding: Finding) -> str:
    """The checks that a finding stands for; empty for none.

    >>> explains(Finding("nulls", "age", Status.FAIL, Code.NULLS_INCREASED, "", folded=("feature_drift:age",)))
    '1 other check: feature_drift of age'
    """
    if not finding.folded:
        return ""
    names = [" of ".join(filter(None, name.partition(":")[::2])) for name in finding.folded[:_NAMED]]
    more = len(finding.folded) - len(names)
    return f"{plural(len(finding.folded), 'other check')}: {', '.join(names)}{f' and {more} more' if more else ''}"


def could_find(finding: Finding) -> str:
    """What would have been found in so many rows, four times in five; empty where that is not known."""
    return "" if finding.detectable is None else short(finding.detectable)


def todo(finding: Finding) -> str:
    """What to do first; empty where there is nothing to say."""
    return "" if finding.status is Status.OK else advice(finding.code)


def by_todo(findings: list[Finding]) -> list[tuple[str, list[Finding]]]:
    """Findings of one status and one thing to do next to each other, in the order of the first of each.

    Args:
        findings: In their order, worst first.

    Returns:
        What to do first, and the findings that it is about.
    """
    groups: dict[tuple[Status, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.status, todo(finding)), []).append(finding)
    return [(words, found) for (_, words), found in groups.items()]


def by_sentence(findings: list[Finding]) -> list[tuple[str, list[Finding]]]:
    """Findings with one sentence together, such as all checks that a broken feed bars.

    Returns:
        What each sentence is about, and the findings.
    """
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.message, []).append(finding)
    return [(", ".join(dict.fromkeys(map(about, found))), found) for found in groups.values()]
