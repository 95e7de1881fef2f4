"""The one place where our errors become Airflow's retry or failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from monitoring.errors import TerminalError


@contextmanager
def airflow_outcome() -> Iterator[None]:
    """Fail the task at once on what no retry can mend; everything else is left to the task's retries."""
    from airflow.sdk.exceptions import AirflowFailException

    try:
        yield
    except TerminalError as error:
        raise AirflowFailException(str(error)) from error
