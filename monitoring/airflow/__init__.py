"""Everything that imports Airflow: DAG factory, connections, notification channels, pages."""
