# Airflow with the whole project: every stage runs in it. docker/compose.yaml starts it beside Postgres and an
# S3 store; on its own, from the checkout:
#   docker build -f docker/airflow.Dockerfile -t nightjar-airflow .
# PIP_INDEX_URL and PIP_EXTRA_INDEX_URL are build arguments: torch's CPU build is in an index of its own.
FROM python:3.11-slim-bookworm

ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

# Spark's Java; its package wants a folder of manual pages, which slim images lack
RUN mkdir -p /usr/share/man/man1 \
    && apt-get update \
    && apt-get install -y --no-install-recommends openjdk-17-jre-headless \
    && rm -rf /var/lib/apt/lists/*

COPY requirements.txt /tmp/build/
RUN pip install --require-hashes -r /tmp/build/requirements.txt \
    && pip install asyncpg==0.32.0 psycopg2-binary==2.9.13 \
    && rm -r /tmp/build

# A CPU build is some hundred MB; a plain `torch` means CUDA's, with gigabytes of its own packages.
ARG TORCH_VERSION=2.13.0
RUN pip install --no-deps "torch==$TORCH_VERSION+cpu" || pip install "torch==$TORCH_VERSION"

# Volumes take their owner from these folders when they are first used.
RUN useradd --uid 10001 --user-group --create-home nightjar \
    && mkdir /airflow /state \
    && chown nightjar: /airflow /state
WORKDIR /app
COPY nightjar.toml ./
COPY dags dags
COPY feature_repo feature_repo
COPY pipeline_tasks pipeline_tasks
ENV AIRFLOW_HOME=/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/app/dags \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False \
    FEAST_USAGE=False \
    GX_ANALYTICS_ENABLED=False \
    NIGHTJAR_STATE=/state \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1
# Spark starts faster with an archive of its classes
RUN python -m pipeline_tasks.spark.class_archive
USER nightjar
ENTRYPOINT ["python", "-m"]
CMD ["pipeline_tasks", "--help"]
