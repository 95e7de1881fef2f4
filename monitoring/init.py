"""Look at a few objects below a URI, and write the models that could watch them."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from monitoring.capture.inspect.logs import Log, survey
from monitoring.capture.inspect.probe import Probe, Seen
from monitoring.capture.inspect.text import Proposal, propose
from monitoring.capture.objects import CaptureObject
from monitoring.config import load_model
from monitoring.errors import ConfigError
from monitoring.store import ObjectInfo, Store, open_source
from monitoring.store.opening import ClientFactory, environment_client

# So much is looked at, however much there is: objects, bytes of each, bytes in all, and rows in all
_OBJECTS, _EACH, _ALL, _ROWS = 60, 2**20, 64 * 2**20, 6000
# What says nothing about a model, as the name of a folder
_COMMON = frozenset(
    "alltraffic capture captures data datacapture data-capture inference inferences input inputs log logs model-inputs"
    " model-outputs modeldatacollector output outputs parquet prediction predictions predictor prod production raw"
    " request requests response responses v1".split()
)


@dataclass(frozen=True)
class Found:
    """What `look` found.

    Attributes:
        proposals: A model for each log, the largest first.
        objects: How many objects were looked at.
        beside: What else lies there: how many objects of what.
        notes: What somebody should know.
    """

    proposals: list[Proposal]
    objects: int
    beside: Counter[str]
    notes: list[str]


def look(uri: str, home: Store, client: ClientFactory = environment_client, *, name: str = "") -> Found:
    """Look at a few objects below a URI.

    Args:
        uri: `s3://bucket/prefix`, a directory or a file, or a path inside the monitor's own store.
        home: The monitor's own store.
        client: Where an S3 client comes from.
        name: Of the model; with several logs, what their names begin with.

    Raises:
        ConfigError: There are no objects, or none that can be read.
        StoreUnavailableError: The store did not answer.
    """
    uri, only = _whole(uri)
    store, prefix = open_source(uri, home, client)
    infos = [info for info in store.sample(prefix, _OBJECTS) if not only or info.key == prefix + only]
    ...
