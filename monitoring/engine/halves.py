"""Requests and responses that were captured apart, brought together."""

from __future__ import annotations

from collections.abc import Iterator

from monitoring.capture.quarantine import Origin, Quarantined, Reason
from monitoring.capture.records import Half, Row


class Pairs:
    """Brings the two sides of inferences together, whichever comes first.

    Attributes:
        repeated: Rows of sides that had come before.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[Half, int]] = {}
        self._joined: set[str] = set()
        self.repeated = 0

    def add(self, half: Half, place: int) -> Iterator[Row | Quarantined]:
        """Add one side; the rows, when the other side is there.

        Args:
            half: The side. One that is there already is counted in `repeated`: the first one counts.
            place: The object that it comes from.
        """
        other = self._waiting.get(half.key)
        if half.key in self._joined or (other is not None and other[0].side == half.side):
            self.repeated += len(half.rows)
            return
        if other is None:
            self._waiting[half.key] = (half, place)
            return
        del self._waiting[half.key]
        self._joined.add(half.key)
        yield from joined(half, other[0])

    def unpaired(self) -> list[tuple[str, str, int]]:
        """The sides that are alone: their key, their side, and the object that they come from."""
        return sorted((key, half.side, place) for key, (half, place) in self._waiting.items())

    def rest(self) -> list[Half]:
        """The sides that are alone."""
        return [half for _, (half, _) in sorted(self._waiting.items())]


def joined(one: Half, other: Half) -> Iterator[Row | Quarantined]:
    """The rows of two sides of the same inferences."""
    request, response = (one, other) if one.side == "input" else (other, one)
    # both records, so that both are read again when a row has to be
    data = request.origin.data.rstrip(b"\n") + b"\n" + response.origin.data
    origin = Origin(request.origin.key, request.origin.offset, data)
    rows = max(len(request.rows), 1)
    if response.rows and len(request.rows) != len(response.rows):  # an answer that is an error has none
        detail = f"{len(request.rows)} rows in, {len(response.rows)} rows out"
        yield Quarantined(Reason.ROW_COUNT, detail, origin, rows)
        return
    moment = request.event_time or response.event_time
    if moment is None:
        yield Quarantined(Reason.BAD_EVENT_TIME, "neither side says when", origin, rows)
        return
    attributes = response.attributes | request.attributes
    answers = response.rows or [{}] * len(request.rows)
    for event_id, features, outputs in zip(request.ids, request.rows, answers, strict=True):
        yield Row(event_id, moment, origin, features, outputs, attributes)


def alone(half: Half) -> Quarantined:
    """A side whose other side never came."""
    reason = Reason.NO_OUTPUT if half.side == "input" else Reason.NO_INPUT
    return Quarantined(reason, "its other side never came", half.origin, max(len(half.rows), 1))
