"""One monitored model on one store: what every stage of the pipeline is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time

from monitoring.config import ModelConfig
from monitoring.errors import ConfigError, WindowNotSettledError
from monitoring.store import Store, open_source
from monitoring.store.layout import Layout
from monitoring.store.opening import ClientFactory, environment_client
from monitoring.window import LENGTHS, Window, iso


@dataclass(frozen=True)
class Monitor:
    """One monitored model on one store.

    Attributes:
        store: The monitor's own store.
        config: The model.
        client: Where an S3 client for other buckets comes from.
        hash_key: Of the hashes that stand for private values.
    """

    store: Store
    config: ModelConfig
    client: ClientFactory = environment_client
    hash_key: bytes = field(default=b"", repr=False)

    @property
    def layout(self) -> Layout:
        """The model's keys in the store."""
        return Layout(self.config.name)

    def source(self, uri: str) -> tuple[Store, str]:
        """The store that holds a configured URI, and the prefix in it."""
        return open_source(uri, self.store, self.client)

    def window(self, text: str) -> Window:
        """The window that starts at `text`."""
        return Window.parse(text, self.config.every)

    def window_or_none(self, text: str) -> Window | None:
        """The window that starts at `text`; None for the name of something else, or a window of another length."""
        try:
            return self.window(text)
        except ConfigError:
            return None

    def windows(self) -> list[Window]:
        """Every window with anything stored, oldest first; a folder of another name, or of another length, is none."""
        found = (self.window_or_none(name) for name in self.store.folders(self.layout.windows))
        return sorted(window for window in found if window is not None)

    def as_of(self, window: Window) -> datetime:
        """When a window is first measured; labels collected before it count."""
        return window.end + self.config.schedule.settle

    def require_settled(self, window: Window, now: datetime) -> None:
        """Refuse a window that may still get captures: its inputs would be pinned in part, for good.

        Raises:
            WindowNotSettledError: It has not settled at `now`.
        """
        if now < self.as_of(window):
            raise WindowNotSettledError(
                f"{window.label} settles at {iso(self.as_of(window))}",
                where=self.config.name,
                hint="name an earlier window, or wait",
            )

    def ended(self, window: Window) -> bool:
        """Whether the window lies after the last monitored day."""
        end = self.config.schedule.end
        return end is not None and window.start.date() > end

    def started(self, window: Window) -> bool:
        """Whether the window does not lie before the first monitored day."""
        start = self.config.schedule.start
        return start is None or window.start >= datetime.combine(start, time(), UTC)

    def final_epoch(self, window: Window) -> Window:
        """The first run that looks after the window's label horizon has passed."""
        if self.config.labels is None:
            return window
        late = self.config.labels.horizon - self.config.schedule.settle
        return window.shift(max(-(-late // LENGTHS[window.every]), 0))
