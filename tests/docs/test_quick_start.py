from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "quick-start.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Blocks in these languages are run, or written to the file that their first line names.
FILES = {"python", "yaml"}
MARK = "@@ block "
# Enough for a machine that is busy with something else
MOST_SECONDS = 300


def blocks() -> list[tuple[str, str]]:
    """The fenced blocks of the page that count: language and text."""
    return [
        (language, text) for language, text in BLOCK.findall(PAGE.read_text()) if language in {*FILES, "bash", "text"}
    ]


def script(parts: list[tuple[str, str]], port: int) -> str:
    """One shell script of all blocks, so that directories and variables last from one to the next."""
    lines = ["set -euo pipefail"]
    for number, (language, text) in enumerate(parts):
        if language in FILES:
            name = text.splitlines()[0].removeprefix("# ")
            assert re.fullmatch(r"[a-z_/]+\.(py|yaml)", name), f"a {language} block begins with its file's name"
            lines.append(f"cat > {name} <<'END OF FILE'\n{text}END OF FILE")
        elif language == "bash":
            lines.append(f"echo; echo '{MARK}{number}'\n{text.replace('8091', str(port))}")
    return "\n".join(lines)


def expected(line: str) -> re.Pattern[str]:
    """A line of shown output: white space may vary, and `…` stands for anything."""
    return re.compile(r"\s*" + r"\s+".join(re.escape(w).replace("…", ".*") for w in line.split()) + r"\s*")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.service
@pytest.mark.skipif(shutil.which("curl") is None, reason="the page uses curl")
def test_the_page_does_what_it_says(tmp_path: Path) -> None:
    parts = blocks()
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / ".venv").symlink_to(sys.prefix)
    (tmp_path / "checkout" / "dags").symlink_to(ROOT / "dags")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MODEL_MONITOR", "AIRFLOW"))
    }
    environment |= {
        "CHECKOUT": str(tmp_path / "checkout"),
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "COLUMNS": "100",
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        "OMP_NUM_THREADS": "1",
    }
    result = subprocess.run(
        ["bash", "-c", script(parts, free_port())],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    outputs = {}
    for part in result.stdout.split(MARK)[1:]:
        first, *lines = part.splitlines()
        outputs[int(first)] = lines
    for number, (language, text) in enumerate(parts):
        if language == "text":
            shown = outputs[number - 1]
            for line in filter(str.strip, text.splitlines()):
                assert any(expected(line).fullmatch(found) for found in shown), (line, shown)


def test_every_block_that_looks_runnable_is_run() -> None:
    # illustrations of what needs a running Airflow have another language
    found = {language for language, _ in BLOCK.findall(PAGE.read_text())}
    assert found <= {*FILES, "bash", "text", "console", "json"}
    for (before, _), (language, _) in zip(blocks(), blocks()[1:], strict=False):
        assert language != "text" or before == "bash", "shown output follows the commands that print it"
