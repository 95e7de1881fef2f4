"""Early warning for machine-learning models in production, on object storage and Apache Airflow 3."""

from __future__ import annotations

__version__ = "0.1.0"
