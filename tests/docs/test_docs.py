from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monitoring.capture.quarantine import Reason
from monitoring.config.checks import Checks
from monitoring.config.model import ModelConfig
from monitoring.decide.decision import Action, Veto
from monitoring.judge import Code, Status
from monitoring.prometheus import Sample, exposition

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
MOST_BYTES = 300_000

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"\bmake ([a-z][a-z-]*)")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text())
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> str:
    """What stands in code: prose may use the word `make` as it likes."""
    text = page.read_text()
    fenced = "\n".join(block for _, block in FENCE.findall(text))
    rest = FENCE.sub("", text)
    indented = "\n".join(re.findall(r"^    (.+)$", rest, re.MULTILINE))
    return "\n".join([fenced, indented, *re.findall(r"`([^`\n]+)`", rest)])


def first_cells(page: str) -> set[str]:
    """What stands in backticks in the first column of a page's tables."""
    return set(re.findall(r"^\| `([^`]+)` \|", (DOCS / page).read_text(), re.MULTILINE))


def test_generated_files_are_fresh() -> None:
    command = [sys.executable, "docs/generate.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_stale_file_is_named(tmp_path: Path) -> None:
    shutil.copy(DOCS / "generate.py", tmp_path)
    command = [sys.executable, str(tmp_path / "generate.py")]
    stale = subprocess.run([*command, "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert stale.returncode == 1
    assert "docs/configuration.md: stale; write it with `make docs`" in stale.stdout
    assert not (tmp_path / "configuration.md").exists()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "configuration.md").read_text() == (DOCS / "configuration.md").read_text()


def test_the_schema_takes_the_models_and_refuses_a_misspelling(tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "check-jsonschema"
    command = [str(program), "--schemafile", str(DOCS / "model.schema.json")]
    models = [str(path) for path in sorted((ROOT / "models").glob("*.yaml"))]
    assert subprocess.run([*command, *models], capture_output=True, check=False).returncode == 0
    broken = tmp_path / "broken.yaml"
    broken.write_text(Path(models[0]).read_text().replace("schedule:", "shedule:"))
    result = subprocess.run([*command, str(broken)], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "shedule" in result.stdout


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_and_image_is_there(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(TARGET.findall(commands(page))) <= targets


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_nothing_of_one_machine_is_in_a_page(page: Path) -> None:
    assert not re.search(r"/(home|root|work|tmp|Users)/", page.read_text())


def test_images_are_small() -> None:
    assert all(path.stat().st_size < MOST_BYTES for path in (DOCS / "images").iterdir())


def test_every_page_is_in_the_index() -> None:
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in LINK.findall((DOCS / "README.md").read_text())}
    assert {page.resolve() for page in DOCS.rglob("*.md")} - {(DOCS / "README.md").resolve()} <= linked


def test_every_code_and_status_says_what_to_do() -> None:
    cells = first_cells("operations.md")
    assert {str(code) for code in Code} <= cells
    assert {str(status) for status in Status} - {"info"} <= cells


def test_every_quarantine_reason_says_what_to_do() -> None:
    assert {str(reason) for reason in Reason} <= first_cells("formats.md")


def test_every_veto_and_action_is_named() -> None:
    text = (DOCS / "operations.md").read_text() + (DOCS / "architecture.md").read_text()
    assert all(f"`{item}`" in text for item in (*Veto, *Action))


def test_every_check_is_explained() -> None:
    keys = {field.alias or key for key, field in Checks.model_fields.items() if key != "added"}
    assert keys <= first_cells("statistics.md")
    assert set(ModelConfig.model_fields) - {"schema_"} <= set(
        re.findall(r"`(\w+)`", (DOCS / "configuration.md").read_text())
    )


def test_every_metric_is_in_the_table() -> None:
    exposed = exposition([Sample("m")]).decode()
    assert set(re.findall(r"^# TYPE (\w+) gauge$", exposed, re.MULTILINE)) == {
        cell for cell in first_cells("operations.md") if cell.startswith("model_monitor_")
    }


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on PATH")
@pytest.mark.parametrize(("title", "command"), [("prometheus.yml", "config"), ("alerts.yml", "rules")])
def test_prometheus_takes_the_examples(title: str, command: str, tmp_path: Path) -> None:
    blocks = [text for language, text in FENCE.findall((DOCS / "operations.md").read_text()) if language == "yaml"]
    (text,) = [text for text in blocks if text.startswith(f"# {title}\n")]
    (tmp_path / title).write_text(text)
    result = subprocess.run(
        ["promtool", "check", command, str(tmp_path / title)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
