"""Object storage: a local directory or S3, behind one protocol."""

from __future__ import annotations

from monitoring.store.base import ObjectInfo, Store
from monitoring.store.opening import open_source, open_store

__all__ = ["ObjectInfo", "Store", "open_source", "open_store"]
