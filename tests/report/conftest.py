"""Toy worlds to report on: a failing one, and one whose names and values are hostile."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from monitoring import pipeline
from monitoring.baseline import create_baseline
from tests.conftest import BuildOnce, World

SCRIPT = "</script><script>document.title='owned'</script>"
IMAGE = "<img src=x onerror=\"document.title='owned'\">"
DAYS = 4


def judge(world: Any, *numbers: int) -> None:
    """Run these days through every stage but the report."""
    for number in numbers:
        pipeline.run_window(world.monitor, world.window(number))


def _four_days(world: World) -> None:
    world.train()
    world.play(*range(DAYS))
    judge(world, *range(DAYS))


def _four_failing_days(world: World) -> None:
    world.train()
    world.play(*range(DAYS))
    for number in range(DAYS):
        world.replace_captures(number, lambda item: replace(item, score=1 - item.score))
    judge(world, *range(DAYS))


@pytest.fixture
def judged(build_once: BuildOnce) -> World:
    """Four judged days, and not yet a report."""
    return build_once(_four_days, report={"native": "never"})


@pytest.fixture
def failing(build_once: BuildOnce) -> World:
    """Four days on which the model says the opposite of what comes true."""
    return build_once(_four_failing_days, report={"native": "findings"})


@pytest.fixture
def hostile(make_world: Callable[..., Any], tmp_path: Any) -> Any:
    """Two failing days, with markup wherever people or callers can put text."""
    names = {"amount": IMAGE, "age": SCRIPT, "country": f"country{SCRIPT}"}
    features = {**dict.fromkeys(names), IMAGE: "numeric", SCRIPT: "numeric", names["country"]: "categorical"}
    world = make_world(
        description=f"A model {SCRIPT}{IMAGE}",
        owner=IMAGE,
        columns={"features": features},
        report={"native": "always"},
    )
    plain = make_world()
    plain.train()
    store = world.monitor.store
    table = pq.read_table(io.BytesIO(store.get("training/toy.parquet"))).rename_columns(
        [names.get(name, name) for name in pq.read_table(io.BytesIO(store.get("training/toy.parquet"))).column_names]
    )
    place = table.column_names.index(names["country"])
    values = pc.if_else(pc.equal(table[names["country"]], "at"), pa.scalar(SCRIPT), table[names["country"]])
    sink = io.BytesIO()
    pq.write_table(table.set_column(place, names["country"], values), sink)
    store.put("training/toy.parquet", sink.getvalue())
    store.delete("toy/baseline/current.json")
    create_baseline(world.monitor)
    world.play(0, 1)
    for number in (0, 1):
        world.replace_captures(
            number,
            lambda item: replace(
                item,
                score=1 - item.score,
                features=[*item.features[:2], {"at": SCRIPT, "ch": IMAGE}.get(item.features[2], item.features[2])],
                attributes={"model_version": IMAGE},
            ),
        )
    judge(world, 0, 1)
    return world
