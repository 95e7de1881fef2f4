# One image for every service of docker-compose.yml: Airflow, the product, and the `model-monitor` command.
FROM python:3.12-slim-bookworm

ENV AIRFLOW_HOME=/opt/airflow \
    DO_NOT_TRACK=1 \
    NUMBA_CACHE_DIR=/opt/airflow/.numba \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1

# The logs directory must exist and be owned here: a new named volume takes its owner from it.
RUN groupadd --gid 50000 airflow \
    && useradd --no-log-init --uid 50000 --gid airflow --home-dir "$AIRFLOW_HOME" --create-home airflow \
    && install --directory --owner airflow --group airflow "$AIRFLOW_HOME/logs"

# The dependencies first: they change less often than the source. The lock has a wheel for each of them,
# so no compiler is needed, and none is tried.
COPY requirements/deploy.txt /tmp/deploy.txt
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r /tmp/deploy.txt

COPY pyproject.toml README.md LICENSE /tmp/package/
COPY monitoring /tmp/package/monitoring
RUN pip install --no-cache-dir --no-deps /tmp/package

# Mount over these to change them without a new image.
COPY dags /opt/airflow/dags
COPY plugins /opt/airflow/plugins
COPY models /opt/airflow/models
# The example retraining DAG runs the demo's training script.
COPY demo /opt/airflow/demo

WORKDIR /opt/airflow
USER 50000:50000

# Compiled here once, so that no task has to wait for it.
RUN python -c "import monitoring.profile.kernels, monitoring.capture.scanner, monitoring.engine.fingerprints"

ENTRYPOINT ["airflow"]
CMD ["--help"]
