"""A ledger of incidents as a stored document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from monitoring.decide.incident import Incident, Ledger, Track
from monitoring.decide.sighting import Marks, Sighting, Sightings
from monitoring.documents import fingerprint
from monitoring.window import Every, Window

KIND, SCHEMA_VERSION = "incidents", 1


def ledger_to_json(ledger: Ledger) -> dict[str, Any]:
    """As the body of a document. What windows cannot tell is mostly the same, and is written once."""
    looks = {
        window.label: {
            "revision": look.revision,
            "hits": {key: hit.to_json() for key, hit in look.hits.items()},
            "unknown": _set_id(look.unknown),
            "blind": look.blind,
        }
        for window, look in ledger.looks.items()
    }
    marks = {
        window.label: {"hits": mark.hits, "unknown": _set_id(mark.unknown), "blind": mark.blind}
        for window, mark in ledger.marks.items()
    }
    sets = [look.unknown for look in ledger.looks.values()] + [mark.unknown for mark in ledger.marks.values()]
    return {
        "run": ledger.run.label,
        "looks": looks,
        "marks": marks,
        "unknown": _sets(sets),
        "settled": {key: track.to_json() for key, track in ledger.settled.items()},
        "known": {key: sighting.to_json() for key, sighting in ledger.known.items()},
        "incidents": [incident.to_json() for incident in ledger.incidents],
    }


def ledger_from_json(data: dict[str, Any], every: Every) -> Ledger:
    """From `ledger_to_json`.

    Args:
        data: The body of a document.
        every: The length of the model's windows.
    """
    sets = {key: frozenset(names) for key, names in data["unknown"].items()}
    looks = {
        Window.parse(label, every): Sightings(
            item["revision"],
            {key: Sighting.from_json(hit) for key, hit in item["hits"].items()},
            sets[item["unknown"]],
            item["blind"],
        )
        for label, item in data["looks"].items()
    }
    marks = {
        Window.parse(label, every): Marks(item["hits"], sets[item["unknown"]], item["blind"])
        for label, item in data["marks"].items()
    }
    return Ledger(
        run=Window.parse(data["run"], every),
        looks=looks,
        marks=marks,
        settled={key: Track.from_json(item) for key, item in data["settled"].items()},
        known={key: Sighting.from_json(item) for key, item in data["known"].items()},
        incidents=tuple(Incident.from_json(item) for item in data["incidents"]),
    )


def _set_id(names: frozenset[str]) -> str:
    return fingerprint(sorted(names))


def _sets(sets: Iterable[frozenset[str]]) -> dict[str, list[str]]:
    return {_set_id(names): sorted(names) for names in sets}
