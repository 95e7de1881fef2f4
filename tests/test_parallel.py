from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEST = """
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", [1, 2])
def test_one(number):
    with (Path(__file__).parent / "log").open("a") as file:
        file.write(f"{Path(__file__).stem} {number}\\n")
    assert %s
"""


def test_every_test_runs_once_and_a_failure_of_either_process_counts(tmp_path: Path) -> None:
    for wrong in ("a", "d", None):
        folder = tmp_path / f"wrong-{wrong}"
        folder.mkdir()
        for name in "abcd":
            (folder / f"test_{name}.py").write_text(TEST % (name != wrong))
        (folder / "pytest.ini").write_text("[pytest]\npython_files = test_*.py\n")
        program = [sys.executable, "-m", "tests.parallel", "-p", "no:cacheprovider"]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == (0 if wrong is None else 1), done.stdout + done.stderr
        assert done.stdout.count("2 failed") == (0 if wrong is None else 1)
        assert f"rootdir: {folder}" in done.stdout
        lines = (folder / "log").read_text().splitlines()
        assert Counter(lines) == {f"test_{name} {number}": 1 for name in "abcd" for number in (1, 2)}
