"""The site's rows and its index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from monitoring import pipeline
from monitoring.errors import ConflictError
from monitoring.report import ModelRows, Row, load_rows, render_index, write_index, write_report
from monitoring.report.site import update_rows
from monitoring.store import Store
from tests.conftest import BuildOnce, World


def report_all(world: Any, *numbers: int) -> None:
    for number in numbers:
        for verdict in pipeline.run_window(world.monitor, world.window(number)):
            write_report(world.monitor, verdict.window, verdict.revision)


def row(window: str, revision: int = 1, status: str = "ok", **more: Any) -> Row:
    values = {"headline": "Fine.", "action": "none", "since": "", "final": False, "coverage": 0.9, "rows": 7} | more
    return Row(window, revision, status, report=f"m/windows/{window}/r{revision}/report.html", **values)


def test_there_is_one_row_per_revision(judged: Any) -> None:
    report_all(judged, *range(4))
    rows = load_rows(judged.monitor.store)["toy"].rows
    assert [(item.window[-2:], item.revision) for item in rows] == [
        ("11", 1),
        ("11", 2),
        ("11", 3),
        ("12", 1),
        ("12", 2),
        ("12", 3),
        ("13", 1),
        ("13", 2),
        ("14", 1),
    ]
    assert rows[2].final
    assert all(judged.monitor.store.exists(item.report) for item in rows)


def test_a_window_that_is_deleted_and_run_again_has_the_same_rows(judged: Any) -> None:
    report_all(judged, *range(4))
    store = judged.monitor.store
    before = {info.key: store.get(info.key) for info in store.objects("site/")}
    for info in store.objects(judged.monitor.layout.window(judged.window(1))):
        store.delete(info.key)
    report_all(judged, 1)
    assert {info.key: store.get(info.key) for info in store.objects("site/")} == before


class _Killed(BaseException):
    """The process ends here."""


def _run_and_report(world: Any, number: int) -> None:
    """A run as the command line does it: looks without a report are due."""
    for verdict in pipeline.run_window(world.monitor, world.window(number), reports=True):
        write_report(world.monitor, verdict.window, verdict.revision)


def _pages(store: Store) -> dict[str, bytes]:
    return {key: store.get(key) for key in store.keys("") if key.startswith("site/") or key.endswith("report.html")}


def _first_day_reported(world: World) -> None:
    world.train()
    world.play(0, 1)
    _run_and_report(world, 0)


def _two_days_reported(world: World) -> None:
    _first_day_reported(world)
    _run_and_report(world, 1)


@pytest.mark.parametrize("last", ["site/rows/toy.json", "site/index.html", "toy/windows/2024-01-11/r2/report.html"])
@pytest.mark.parametrize("after", [False, True])
def test_killed_while_a_report_is_written_and_run_again(
    build_once: BuildOnce, monkeypatch: pytest.MonkeyPatch, last: str, after: bool
) -> None:
    whole = build_once(_two_days_reported, "whole", report={"native": "never"})
    killed = build_once(_first_day_reported, "killed", report={"native": "never"})
    # the first report that the second day writes is that of the second look at the first day
    store = killed.monitor.store

    def dying(write: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(key: str, *arguments: Any) -> Any:
            if key == last and not after:
                raise _Killed
            result = write(key, *arguments)
            if key == last:
                raise _Killed
            return result

        return wrapped

    with monkeypatch.context() as patch:
        patch.setattr(store, "put", dying(store.put))
        patch.setattr(store, "replace", dying(store.replace))
        with pytest.raises(_Killed):
            _run_and_report(killed, 1)
    assert _pages(store) != _pages(whole.monitor.store)
    _run_and_report(killed, 1)
    assert _pages(store) == _pages(whole.monitor.store)


def test_rows_of_deleted_reports_go(judged: Any) -> None:
    report_all(judged, *range(4))
    store, window = judged.monitor.store, judged.window(0)
    store.delete(judged.monitor.layout.report(window, 3))
    write_report(judged.monitor, window, 1)
    assert [item.revision for item in load_rows(store)["toy"].rows if item.window == "2024-01-11"] == [1, 2]


def test_a_conflict_is_tried_again(judged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store: Store = judged.monitor.store
    original, other = store.replace, row("2024-02-01")

    def replace(key: str, data: bytes, expected: bytes | None) -> None:
        monkeypatch.setattr(store, "replace", original)
        update_rows(judged.monitor, other)  # somebody else comes first
        with pytest.raises(ConflictError) as conflict:
            original(key, data, expected)
        raise conflict.value

    monkeypatch.setattr(store, "replace", replace)
    update_rows(judged.monitor, row("2024-02-02"))
    assert [item.window for item in load_rows(store)["toy"].rows] == ["2024-02-01", "2024-02-02"]


def test_the_index_links_every_revision_newest_first() -> None:
    rows = (row("2024-01-11"), row("2024-01-11", 2, "fail"), row("2024-01-12", status="unknown"))
    page = render_index({"m": ModelRows("m", "A model.", "day", rows)}).decode()
    assert "<title>Model monitoring</title>" in page
    table = page[page.index("<tbody>") :]
    assert table.index("2024-01-12") < table.index("2024-01-11")
    for item in rows:
        assert f'href="../{item.report}"' in table
    assert 'title="2024-01-11: FAIL"' in page
    assert "FAIL</span>" in page
    assert "<script" not in page


def test_the_index_tells_the_open_incidents_of_each_model() -> None:
    rows = (row("2024-01-11", incidents=3), row("2024-01-11", 2, incidents=2), row("2024-01-12", incidents=1))
    models = {"m": ModelRows("m", "", "day", rows), "n": ModelRows("n", "", "day", ())}
    page = render_index(models).decode()
    assert '<td class="d" data-name="Open incidents">1</td>' in page
    assert page.index('<a href="#m">') < page.index('<a href="#n">')
    # a window's line has those after its own run
    shown = [page.index(f'<td class="n" data-name="Incidents">{count}</td>') for count in (1, 3)]
    assert shown == sorted(shown)
    assert 'data-name="Incidents">2</td>' not in page


def test_rows_of_a_release_without_incidents_are_read() -> None:
    data = ModelRows("m", "", "day", (row("2024-01-11"),)).encode().replace(b'"incidents": null,', b"")
    assert b"incidents" not in data
    assert ModelRows.decode(data, "x").rows[0].incidents is None


def test_the_index_escapes_everything() -> None:
    bad = '"><script>alert(1)</script>'
    rows = (row("2024-01-11", headline=bad, action=bad, since=bad),)
    page = render_index({"m": ModelRows("m", bad, "day", rows)}).decode()
    assert "<script" not in page
    assert '"><' + "script" not in page


def test_windows_between_are_shown_as_gaps() -> None:
    rows = (row("2024-01-11"), row("2024-01-14"))
    page = render_index({"m": ModelRows("m", "", "day", rows)}).decode()
    assert page.count('class="sq gap"') == 2


@pytest.mark.parametrize(
    ("every", "names", "blocks"),
    [
        ("hour", ["2024-01-11T22", "2024-01-11T23", "2024-01-12T00"], ["2024-01-11", "2024-01-12"]),
        ("week", ["2023-12-25", "2024-01-01"], ["2023", "2024"]),
    ],
)
def test_hours_and_weeks_have_calendars(every: Any, names: list[str], blocks: list[str]) -> None:
    page = render_index({"m": ModelRows("m", "", every, tuple(row(name) for name in names))}).decode()
    for block in blocks:
        assert f'<div class="block"><p>{block}</p>' in page
    assert page.count('<a class="sq ok"') == len(names)


def test_an_empty_site_says_so(judged: Any) -> None:
    assert b"No reports have been written yet." in render_index({})
    assert b"No windows yet." in render_index({"m": ModelRows("m", "", "day", ())})
    write_index(judged.monitor.store)
    assert judged.monitor.store.exists("site/index.html")
