"""Reports: one HTML page per window and revision, and a site over all of them."""

from __future__ import annotations

from monitoring.monitor import Monitor
from monitoring.report.facts import gather
from monitoring.report.natives import explore, wanted
from monitoring.report.page import ensure_assets, render
from monitoring.report.site import ModelRows, Row, load_rows, render_index, row_of, update_rows, write_index
from monitoring.window import Window

__all__ = ["ModelRows", "Row", "load_rows", "render_index", "write_index", "write_report"]


def write_report(monitor: Monitor, window: Window, revision: int) -> str:
    """Write the report of one window and revision, its row of the site, and the site's index.

    Args:
        monitor: The model.
        window: The window.
        revision: The revision, whose verdict must be in the store.

    Returns:
        The report's key.
    """
    facts = gather(monitor, window, revision)
    exploration = explore(monitor, facts) if wanted(facts) else None
    key = monitor.layout.report(window, revision)
    ensure_assets(monitor.store)
    page = render(facts, exploration)
    update_rows(monitor, row_of(facts, key))
    write_index(monitor.store)
    # last, because a look counts as shown when its report is there
    monitor.store.put(key, page)
    return key
