"""What a decision recalls of earlier windows: pure functions of what was known when its verdict was given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from monitoring.config.model import Policy
from monitoring.decide.decision import Decision
from monitoring.decide.policy import History
from monitoring.judge.verdict import Status, Verdict
from monitoring.window import Window


def looked_back(policy: Policy) -> int:
    """How many windows whose own rows could tell a decision looks back at."""
    return policy.retrain.confirm[1] if policy.retrain else 1


def recalled(windows: Iterable[Window], window: Window, policy: Policy) -> list[Window]:
    """The windows whose decisions still count, oldest first: those of the cool-down, or the last one.

    Args:
        windows: The windows that were decided upon.
        window: The window that is decided upon.
        policy: The model's policy.
    """
    retrain = policy.retrain
    earlier = sorted(past for past in windows if past < window)
    recent = [past for past in earlier if retrain and past.start + retrain.cooldown > window.start]
    return recent or earlier[-1:]


def history_of(
    verdict: Verdict,
    decided: Sequence[Decision],
    newest: Callable[[Window], Verdict | None],
    labelled_rows: Callable[[], int],
    *,
    reach: int,
    policy: Policy,
) -> History:
    """What was known when a look was taken; nothing but the last decision for a later look.

    Args:
        verdict: The look's verdict.
        decided: The decisions of `recalled` windows.
        newest: The newest look at a window that was known then; None without one.
        labelled_rows: Labelled rows since the baseline became valid; asked for only where they matter.
        reach: How many windows back labels may be waited for.
        policy: The model's policy.
    """
    if verdict.revision > 1:
        return History(decisions=tuple(decided[-1:]))
    seen = _before(verdict, newest, reach, looked_back(policy))
    failing = any(past.performance_status is Status.FAIL for past in (*seen, verdict))
    return History(tuple(seen), tuple(decided), labelled_rows() if failing else 0)


def _before(verdict: Verdict, newest: Callable[[Window], Verdict | None], reach: int, count: int) -> list[Verdict]:
    """The newest looks before this one, back to `count` windows whose own rows could tell, oldest first."""
    found: list[Verdict] = []
    for back in range(1, reach + count + 1):
        past = newest(verdict.window.shift(-back))
        if past is not None:
            found.append(past)
            count -= past.own_performance is not Status.UNKNOWN
        if not count:
            break
    return found[::-1]
