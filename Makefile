# meta_pipeline: `make demo` shows it, `make test` proves it, `make help` lists the rest.
SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
# The first Python that is new enough; PYTHON=/path/to/python chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 \
	&& $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)
# Half of what a test does is waiting for Postgres.
WORKERS ?= $(shell echo $$(( 2 * $$(getconf _NPROCESSORS_ONLN) )))
TIMES ?= 20
export DAGSTER_DISABLE_TELEMETRY := 1
# Images of Python often set it: every process of the tests would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Make the virtual environment and install what uv.lock names

$(VENV)/.installed: pyproject.toml uv.lock
	@test -n "$(PYTHON)" || { \
		echo "No Python 3.11 or newer found. Install one, or name it: make PYTHON=/path/to/python" >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian or Ubuntu: apt install python3-venv" >&2; \
		exit 1; }
	@echo "Installing into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
	@UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --quiet --locked --inexact --all-extras --compile-bytecode
	@$(BIN)/python -m compileall -q meta_pipeline
	@touch $@

demo: install ## Twelve simulated ad accounts, Postgres and Dagster, synced; stays up until Ctrl-C
	@$(BIN)/meta-pipeline demo

check: install ## Lint, types, doors between the rooms, Dagster definitions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@# A home of its own: the instance of dagster.yaml wants a database, the definitions want none.
	DAGSTER_HOME=$$(mktemp -d) $(BIN)/dagster definitions validate -w workspace.yaml

test: install ## All tests that are quick: about nine minutes on two cores
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not slow"

test-all: install ## All tests, also the slow proofs
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

test-holds: install ## The kill and crowd proofs, TIMES=20 times in a row: hours
	E2E_REPEAT=$(TIMES) $(BIN)/pytest -x -m slow meta_pipeline_tests/e2e/test_dagster.py meta_pipeline_tests/e2e/test_celery.py

bench: install ## Benchmarks: ratios measured in one run, each beside its limit
	$(BIN)/python -m benchmarks

mutate: install ## Break the pure modules on purpose: which changes does no test notice (half an hour)
	@$(BIN)/python -m meta_pipeline_tests.mutation $(MODULES)

docs: install ## The documentation as a site, in build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "build/site/index.html; .venv/bin/mkdocs serve shows it while you write"

format: install ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove the virtual environment and what tools left behind
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: help install demo check test test-all test-holds bench mutate docs format clean
