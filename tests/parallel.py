"""`python -m tests.parallel`: all tests in two processes, one from the first file on and one from the last one back.

Each claims a file before it runs its tests, so that they meet somewhere and every file is run once, whatever takes
how long. `python -m pytest` alone runs the same tests, one after the other.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--claims", type=Path, help="a directory that two processes share")
    parser.addoption("--backwards", action="store_true", help="from the last file on")


def pytest_runtestloop(session: pytest.Session) -> bool:
    mine = _claimed(session)
    for item, following in itertools.pairwise(itertools.chain(mine, [None])):
        assert item is not None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
    return True


def _claimed(session: pytest.Session) -> Iterator[pytest.Item]:
    if session.testsfailed:
        raise session.Interrupted(f"{session.testsfailed} errors while tests were collected")
    files: dict[Path, list[pytest.Item]] = {}
    for item in session.items:
        files.setdefault(item.path, []).append(item)
    for path in reversed(files) if session.config.option.backwards else files:
        name = str(path.relative_to(session.config.rootpath)).replace("/", ".")
        try:
            (session.config.option.claims / name).mkdir()
        except FileExistsError:
            continue  # the other process has it
        yield from files[path]


def main() -> int:
    """Run both; the output of the second follows that of the first."""
    with tempfile.TemporaryDirectory() as claims, tempfile.TemporaryFile("w+") as output:
        # in one word: pytest takes the directory of a word that it does not know yet for the root of the tests
        command = [sys.executable, "-m", "pytest", "-p", "tests.parallel", f"--claims={claims}", *sys.argv[1:]]
        with subprocess.Popen([*command, "--backwards"], stdout=output, stderr=subprocess.STDOUT) as second:
            first = subprocess.run(command, check=False).returncode
            code = second.wait()
        output.seek(0)
        sys.stdout.write(output.read())
    return first or code


if __name__ == "__main__":
    sys.exit(main())
