# The container of train, evaluate and recommend: torch and a few light packages, nothing of Airflow, Spark,
# Feast or Great Expectations. From the checkout:
#   docker build -f docker/trainer.Dockerfile -t nightjar-trainer .                          CPU
#   docker build -f docker/trainer.Dockerfile -t nightjar-trainer --build-arg TORCH=cuda .   GPU
# PIP_INDEX_URL and PIP_EXTRA_INDEX_URL are build arguments too: torch's CPU build is in an index of its own.
FROM python:3.11-slim-bookworm

ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

# The light part of the lock: the wanted names' lines, each with its hashes. pip takes nothing unhashed, so it
# stops where a package needs one that is not named.
COPY requirements.txt docker/trainer-requirements.in /tmp/build/
RUN cd /tmp/build \
    && awk 'NR == FNR { wanted[$1]; next } \
            /^[A-Za-z0-9]/ { split($1, part, /[=[]/); kept = part[1] in wanted } kept' \
           trainer-requirements.in requirements.txt > trainer-requirements.txt \
    && pip install --require-hashes -r trainer-requirements.txt \
    && rm -r /tmp/build

# A CPU build is some hundred MB; a plain `torch` means CUDA's, with gigabytes of its own packages.
ARG TORCH=cpu
ARG TORCH_VERSION=2.13.0
RUN case "$TORCH" in cpu | cuda) ;; *) echo "TORCH is cpu or cuda, not '$TORCH'" >&2; exit 1 ;; esac; \
    if [ "$TORCH" = cpu ] && pip install --no-deps "torch==$TORCH_VERSION+cpu"; then \
        echo "torch $TORCH_VERSION: CPU build"; \
    else \
        echo "torch $TORCH_VERSION: the build that pip's index has, with what it asks for (gigabytes)"; \
        pip install "torch==$TORCH_VERSION"; \
    fi \
    && python -c 'import torch'

# torch.compile's kernels for GPUs are started by small C programs that Triton compiles where they run.
RUN if [ "$TORCH" = cuda ]; then \
        apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*; \
    fi

WORKDIR /app
COPY nightjar.toml ./
COPY pipeline_tasks ./pipeline_tasks
RUN python -m compileall -q pipeline_tasks

# A launcher may name any other user: whatever is written outside the lake goes where everybody may write.
ENV HOME=/tmp \
    NIGHTJAR_STATE=/tmp/nightjar \
    PYTHONUNBUFFERED=1
# a number, so that Kubernetes can tell that it is not root
USER 65532:65532
ENTRYPOINT ["python", "-m", "pipeline_tasks"]
CMD ["--help"]
