# Everything a developer or a user types. `make` alone lists the targets.
SHELL := /bin/bash
PY := .venv/bin/python
PACKAGES := aggregates engine projections drivers api sagastack guest consumers scripts benchmarks
ARGS ?=
# What was compiled once is not compiled again by each of the hundreds of processes of the tests.
unexport PYTHONDONTWRITEBYTECODE
# Tests wait more than they compute: two workers for a core. WORKERS=0 runs them in one process.
WORKERS ?= $(shell echo $$((2 * $$(nproc) < 8 ? 2 * $$(nproc) : 8)))
SPREAD = -n $(WORKERS) --no-loadscope-reorder  # in the order of tests/conftest.py
ONLY ?=
SEED ?=

.DEFAULT_GOAL := help
.PHONY: help run test test-real test-cluster check bench sim golden lock setup setup-dev clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

run: setup ## set up, then serve a first cloud on http://127.0.0.1:8080
	@exec .venv/bin/sagastack quickstart $(ARGS)

test: setup-dev ## set up, then run the tests (ARGS="-k name" for some)
	@$(PY) -m pytest $(SPREAD) $(ARGS)

check: setup-dev ## all that a commit needs: style, types, imports, tidiness
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy --strict $(PACKAGES)
	@.venv/bin/lint-imports --no-logo
	@$(PY) -m pytest tests/tidy

bench: setup-dev ## measure (ONLY=name for one; ARGS=--short for seconds)
	@$(PY) -m benchmarks $(ONLY) $(ARGS)

sim: setup-dev ## simulate a whole cloud with faults (SEED=n repeats one run)
	@$(PY) -m tests.sim $(if $(SEED),--seed $(SEED)) $(ARGS)

test-real: setup-dev ## end to end against real and emulated peers; a line for each driver
	@$(PY) -m tests.real $(SPREAD) $(ARGS)

test-cluster: setup-dev ## three controllers through chaos (CHAOS_S=600 for longer); judges last
	@$(PY) -m tests.chaos $(ARGS)

golden: setup-dev ## write the golden files anew; review what changed
	@$(PY) -m tests.golden $(ARGS)

lock: setup-dev ## pin dependencies anew from pyproject.toml (ARGS=--upgrade for the newest)
	@$(PY) scripts/lock.py $(ARGS)

setup: ## Debian packages (as root), virtual environment, pinned Python packages
	@scripts/setup run

setup-dev:
	@scripts/setup dev

clean: ## remove the virtual environment and caches; the cloud in var/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +
