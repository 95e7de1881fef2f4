"""The profiles of windows that others look back at: as a run reads them, and as a replay finds them."""

from __future__ import annotations

from monitoring.baseline import Baseline
from monitoring.engine.intake import ensure_complete, is_complete, visible_runs
from monitoring.engine.windows import WindowData, load_window
from monitoring.monitor import Monitor
from monitoring.profile import WindowProfile
from monitoring.window import Window


class ProfileReader:
    """What is known of windows; what was not read yet is read now, so that those which look back at it find it.

    Args:
        monitor: The model.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def data(self, window: Window, baseline: Baseline | None, until: Window) -> WindowData:
        """What is known of a window's records.

        Args:
            window: The window.
            baseline: Whose edges.
            until: The run whose knowledge counts.
        """
        return load_window(self._monitor, window, baseline, until)

    def is_read(self, window: Window) -> bool:
        """Whether everything that the window's run reads was read."""
        ensure_complete(self._monitor, window)
        return True

    def profile(self, window: Window, baseline: Baseline | None, until: Window) -> WindowProfile | None:
        """A window's records under a baseline; None where there are none, or where nobody looks yet."""
        if baseline is None or window.start < baseline.valid_from or not self._monitor.started(window):
            return None
        if not self.is_read(window):
            return None
        profile = self.data(window, baseline, until).profile
        return profile if profile.rows else None

    def trailing(self, window: Window, baseline: Baseline | None, until: Window) -> dict[Window, WindowProfile]:
        """The trailing windows that have records and the same baseline, oldest first."""
        back = range(self._monitor.config.trailing_windows - 1, -1, -1)
        found = {past: self.profile(past, baseline, until) for past in (window.shift(-count) for count in back)}
        return {past: profile for past, profile in found.items() if profile is not None}


class StoredProfileReader(ProfileReader):
    """What runs have stored of windows, each read once. Nothing is read anew, and nothing is written.

    Args:
        monitor: The model.
        like: Another reader of the same store, to share what was read.
    """

    def __init__(self, monitor: Monitor, like: StoredProfileReader | None = None) -> None:
        super().__init__(monitor)
        self._found: dict[tuple[Window, str, tuple[Window, ...]], WindowData] = like._found if like else {}
        self._read: dict[Window, bool] = like._read if like else {}

    def data(self, window: Window, baseline: Baseline | None, until: Window) -> WindowData:
        """What is known of a window's records."""
        key = (window, baseline.version if baseline else "", tuple(visible_runs(self._monitor, window, until)))
        if key not in self._found:
            self._found[key] = super().data(window, baseline, until)
        return self._found[key]

    def is_read(self, window: Window) -> bool:
        """Whether everything that the window's run reads was read."""
        if window not in self._read:
            self._read[window] = is_complete(self._monitor, window)
        return self._read[window]
