"""DuckDB joining all predictions with all labels so far, as is done where nothing is kept from day to day.

Runs in DuckDB's own environment, and imports nothing but that and the standard library.
"""

from __future__ import annotations

from typing import Any

from benchmarks.task import Clock


def run(predictions: list[str], labels: list[str], threads: int) -> dict[str, Any]:
    """Join Parquet files on the ids as they are; the numbers of each day.

    Args:
        predictions: Files of canonical records.
        labels: Files with `event_id` and `label`, 0 or 1, each id once.
        threads: How many.
    """
    import duckdb as database

    connection = database.connect()
    connection.execute(f"SET threads = {threads}")
    connection.execute("SET TimeZone = 'UTC'")
    clock = Clock()
    with clock.running():
        found = connection.execute(
            """
            SELECT strftime(event_time, '%Y-%m-%d') AS day, count(*) AS labelled,
                avg((prediction = (label = 1))::INTEGER) AS accuracy, avg((score - label) ** 2) AS brier
            FROM read_parquet($predictions) JOIN read_parquet($labels) USING (event_id)
            GROUP BY day ORDER BY day""",
            {"predictions": predictions, "labels": labels},
        ).fetchall()
    days = {day: {"labelled": n, "accuracy": accuracy, "brier": brier} for day, n, accuracy, brier in found}
    return {"wall": clock.wall, "cpu": clock.cpu, "days": days}
