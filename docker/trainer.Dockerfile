# The container of train, evaluate and recommend: `docker run IMAGE train --run-date 2026-06-30`.
#
#   docker build --network=host -f docker/trainer.Dockerfile -t nightjar-trainer .
#
# TORCH=cpu takes the CPU build of torch from pip's find-links or an index that has it (TORCH_INDEX=<url>);
# TORCH=cuda takes the build that pip's index has, with what it asks for (gigabytes).
FROM python:3.11-slim-bookworm

ARG TORCH=cpu
ARG TORCH_VERSION=2.13.0
ARG TORCH_INDEX=

WORKDIR /app
COPY requirements.txt docker/trainer-requirements.in ./
# the light part of the lock: the wanted names' lines, each with its hashes
RUN awk 'NR == FNR { wanted[$1]; next } \
         /^[a-z0-9]/ { name = $1; sub(/[[=].*/, "", name); kept = name in wanted } kept' \
        trainer-requirements.in requirements.txt > trainer-requirements.txt \
    && pip install --no-cache-dir --require-hashes -r trainer-requirements.txt
RUN case "$TORCH" in \
      cpu) pip install --no-cache-dir --no-deps ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
               "torch==$TORCH_VERSION+cpu" \
           || { echo "no CPU build of torch is at hand: name an index, --build-arg TORCH_INDEX=<url>" >&2; exit 1; } ;; \
      cuda) pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} "torch==$TORCH_VERSION" ;; \
      *) echo "TORCH=$TORCH is not cpu or cuda" >&2; exit 1 ;; \
    esac

COPY nightjar.toml ./
COPY pipeline_tasks ./pipeline_tasks
RUN python -m compileall -q pipeline_tasks

# a launcher may name any other user: whatever is written outside the lake goes where everybody may write
ENV HOME=/tmp \
    NIGHTJAR_STATE=/tmp/nightjar \
    PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["python", "-m", "pipeline_tasks"]
