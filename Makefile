# Two commands do everything: `make nightly` and `make test`. Each sets up what is missing first.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup chosen nightly test lint format airflow peers lock clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# One more than most machines that it was tried on have cores: the scheduler's tests wait for much of their time.
TEST_PROCESSES ?= 3

# The sample shop ends on this day; other data names its own (empty: yesterday, UTC).
DATA ?= sample
RUN_DATE ?= $(if $(filter sample,$(DATA)),2026-06-30)

help:  ## say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

# A place to find packages in that is named with the command is one of torch's CPU build.
ifneq (,$(filter command,$(origin PIP_FIND_LINKS) $(origin PIP_EXTRA_INDEX_URL)))
TORCH ?= cpu
endif

setup: $(if $(EXTRAS)$(TORCH),chosen,$(READY))  ## make the virtual environment, find Java: [EXTRAS="text image"] [TORCH=cpu|cuda]

chosen:
	@EXTRAS="$(EXTRAS)" TORCH="$(TORCH)" bash .ci/setup "$(PYTHON)" "$(VENV)"
	@touch $(READY)

$(READY): requirements.txt .ci/setup
	@bash .ci/setup "$(PYTHON)" "$(VENV)"
	@touch $(READY)

sample/sample.json: | $(READY)
	@$(BIN)/python -m pipeline_tasks sample --out sample

nightly: $(READY) $(if $(filter sample,$(DATA)),sample/sample.json)  ## run a night: [DATA=folder] [RUN_DATE=YYYY-MM-DD]
	@NIGHTJAR_DATA="$(DATA)" $(BIN)/python -m pipeline_tasks nightly $(if $(RUN_DATE),--run-date "$(RUN_DATE)")

test: $(READY)  ## run all tests
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadgroup --no-loadscope-reorder

lint: $(READY)  ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY)  ## let ruff format
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

airflow: $(READY) $(if $(filter sample,$(DATA)),sample/sample.json)  ## the UI and the schedule, on 127.0.0.1:8080
	@NIGHTJAR_DATA="$(DATA)" $(BIN)/python -m pipeline_tasks airflow standalone

peers: .peers/.ready  ## install the libraries that the benchmarks compare with, in .peers

# A CPU build of torch where there is one; else pip takes what its index has.
.peers/.ready: benchmarks/peers/requirements.txt benchmarks/peers/without_needs.txt
	@$(PYTHON) -m venv .peers
	@.peers/bin/pip install -q --no-deps "$$(grep ^torch== $<)+cpu" 2>/dev/null || true
	@.peers/bin/pip install -q -r $<
	@.peers/bin/pip install -q --no-deps -r $(word 2,$^)
	@touch $@

lock:  ## pin all dependencies anew, with hashes
	@$(PYTHON) -m venv .lock && .lock/bin/pip install -q uv
	@.lock/bin/uv pip compile pyproject.toml --extra torch-needs --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --quiet -o requirements.txt
	@rm -rf .lock

clean:  ## remove all that was made here: environments, Airflow's home, lakes, sample
	@rm -rf $(VENV) .airflow .nightjar .lock .peers sample lake lake-*/ .mypy_cache .ruff_cache
