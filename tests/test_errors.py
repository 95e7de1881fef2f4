"""Errors are one line, and go from one process to another as they are."""

from __future__ import annotations

import pickle

import pytest

from monitoring import errors
from monitoring.errors import MonitorError, TerminalError, TransientError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MonitorError)]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MonitorError("it broke"), "it broke"),
        (MonitorError("it broke", where="a.yaml:3"), "a.yaml:3: it broke"),
        (
            MonitorError("it broke", where="x", allowed=[1, "two"], hint="mend it"),
            "x: it broke; allowed: 1, two; hint: mend it",
        ),
    ],
)
def test_the_text_has_all_parts(error: MonitorError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize("kind", KINDS)
def test_errors_survive_pickle(kind: type[MonitorError]) -> None:
    error = kind("it broke", where="x", allowed=[1, "two"], hint="mend it")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert (copy.what, copy.where, copy.allowed, copy.hint) == ("it broke", "x", ("1", "two"), "mend it")


def test_every_kind_is_worth_a_retry_or_not() -> None:
    leaves = [kind for kind in KINDS if not kind.__subclasses__()]
    assert len(leaves) >= 5
    assert all(issubclass(kind, TerminalError) != issubclass(kind, TransientError) for kind in leaves)
