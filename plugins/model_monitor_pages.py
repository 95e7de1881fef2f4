"""Model monitoring in Airflow's UI: a page in the navigation, and a tab on every DAG.

Every process of Airflow runs this file, and only the API server needs the pages: they are imported when it asks.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin


class ModelMonitorPages(AirflowPlugin):
    """The pages of model-monitor."""

    name = "model_monitor_pages"
    external_views: ClassVar[list[dict[str, Any]]] = [
        {
            "name": "Models",  # the navigation cuts longer names off
            "href": "model-monitor/",
            "destination": "nav",
            "url_route": "model-monitor",
            "nav_top_level": True,
        },
        {
            "name": "Model monitoring",
            "href": "model-monitor/dag/{DAG_ID}",
            "destination": "dag",
            "url_route": "model-monitor-dag",
        },
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """The application behind the views."""
        from monitoring.airflow.pages import create_pages_app

        return [{"app": create_pages_app(), "url_prefix": "/model-monitor", "name": "Model monitoring"}]
