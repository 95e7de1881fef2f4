"""The rules of the house, read from the imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PURE = ("config", "profile", "measure", "judge", "decide")
# Each part imports only what stands before it.
ORDER = (
    ("errors",),
    ("documents", "window"),
    ("config", "store"),
    ("monitor",),
    ("capture",),
    ("labels",),
    ("profile",),
    ("sampling",),
    ("measure",),
    ("judge",),
    ("decide",),
    ("training_rows",),
    ("baseline", "history", "watch"),
    ("sagemaker",),
    ("engine", "incidents"),
    ("pipeline",),
    ("report",),
    ("notify", "prometheus"),
    ("retraining", "serve", "quarantine", "init", "replay"),
    ("settings",),
    ("airflow", "cli"),
)
RANK = {part: rank for rank, parts in enumerate(ORDER) for part in parts}
# The settings may name an Airflow connection, and look it up when a store is opened.
SEAMS = {("settings", "airflow")}
HEAVY = {"airflow", "boto3", "botocore", "evidently", "pandas"}
# What reads files, clocks or chance, by the name that is called
IMPURE = {
    "open",
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
    "now",
    "utcnow",
    "today",
    "time",
    "time_ns",
    "monotonic",
    "default_rng",
    "getenv",
    "print",
    "input",
}


def _files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def _part(path: Path) -> str:
    return path.relative_to(ROOT / "monitoring").parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every module that a file imports, and whether it does so as soon as it is imported itself."""
    tree = ast.parse(path.read_text())
    late: set[ast.AST] = set()
    for node in ast.walk(tree):
        typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if typing or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            late.update(ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node not in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module
            yield node.module, node not in late
            yield from ((f"{node.module}.{alias.name}", node not in late) for alias in node.names)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_part_has_its_place() -> None:
    parts = {_part(path) for path in _files("monitoring")} - {"__init__"}
    assert parts <= set(RANK)
    assert set(PURE) <= parts


@pytest.mark.parametrize("path", [p for p in _files("monitoring") if _part(p) != "__init__"], ids=_name)
def test_a_room_imports_only_rooms_before_it(path: Path) -> None:
    own = _part(path)
    imports = [(name.split(".")[1], at_once) for name, at_once in _imports(path) if name.startswith("monitoring.")]
    used = {part for part, at_once in imports if at_once or (own, part) not in SEAMS}
    assert not {part for part in used & set(RANK) if part != own and RANK[part] >= RANK[own]}


@pytest.mark.parametrize("path", _files(*(f"monitoring/{room}" for room in PURE)), ids=_name)
def test_pure_rooms_are_pure(path: Path) -> None:
    assert not {name.split(".")[0] for name, _ in _imports(path)} & HEAVY
    if path.name == "load.py":
        return  # reads the files in models/
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    called = {call.id if isinstance(call, ast.Name) else getattr(call, "attr", "") for call in calls}
    assert not called & IMPURE


@pytest.mark.parametrize("path", _files("monitoring", "dags", "plugins"), ids=_name)
def test_heavy_packages_are_imported_where_they_are_used(path: Path) -> None:
    lazy = {"boto3", "botocore", "evidently", "pandas", "sklearn", "scipy", "matplotlib", "plotly"}
    assert not {name.split(".")[0] for name, at_once in _imports(path) if at_once} & lazy


@pytest.mark.parametrize("path", _files("monitoring", "dags", "plugins"), ids=_name)
def test_each_guest_has_one_room(path: Path) -> None:
    rooms = {
        "evidently": ("monitoring/report/",),
        "airflow": ("monitoring/airflow/", "monitoring/cli/", "monitoring/serve.py", "dags/", "plugins/"),
        "boto3": ("monitoring/store/",),
        "botocore": ("monitoring/store/",),
    }
    for name, _ in _imports(path):
        for guest, places in rooms.items():
            if name.split(".")[0] == guest:
                assert _name(path).startswith(places), name


def _loaded(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


@pytest.mark.parametrize("module", ["monitoring.pipeline", "monitoring.config", "monitoring.capture"])
def test_what_an_import_loads(module: str) -> None:
    loaded = _loaded(f"import {module}")
    assert "monitoring" in loaded
    # Numba asks SciPy for its version, which loads none of its parts
    assert not loaded & (HEAVY | {"sklearn", "scipy.special", "scipy.stats", "matplotlib", "plotly"})


@pytest.mark.parametrize("module", ["monitoring.airflow.monitoring_dag", "monitoring.cli"])
def test_what_is_parsed_over_and_over_compiles_nothing(module: str) -> None:
    assert not _loaded(f"import {module}") & {"numba", "pyarrow"}


def test_the_rules_would_notice(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("import pandas as pd\ndef f():\n    from evidently import Report\n    return open('x')\n")
    assert dict(_imports(path)) == {"pandas": True, "evidently": False, "evidently.Report": False}
