# make demo   the main job on the embedded corpus, in a fresh clone
# make test   lint, types, import layers, tests, in a fresh clone
# Each target does the set-up it needs; `make setup` alone is never necessary.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.turnkit-ready
RUN ?= runs/demo

# Processes that run side by side must not each start a thread per core.
PYTEST_ARGS ?= -n auto --dist loadfile

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test lint types layers format bench clean

help: ## this list
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(READY) ## a virtual environment with everything in it

# uv where it can be had, because it is ten times as fast; pip does the same.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "turnkit needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv || true
	{ test -x $(BIN)/uv && $(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[all]'; } \
	  || $(BIN)/python -m pip install --disable-pip-version-check --editable '.[all]'
	@touch $@

demo: $(READY) ## train, measure, export and replay on the embedded corpus
	$(BIN)/turnkit doctor
	$(BIN)/turnkit data describe embedded
	$(BIN)/turnkit train training/demo.yaml out=$(RUN)
	$(BIN)/turnkit eval --corpus embedded:test --fit-on embedded:train --detector $(RUN) --detector vad:silero --out $(RUN)/report
	$(BIN)/turnkit export $(RUN) $(RUN)/demo.turnkit
	$(BIN)/turnkit data audio embedded:test 0 $(RUN)/turn.wav
	$(BIN)/turnkit replay $(RUN)/demo.turnkit $(RUN)/turn.wav --plot $(RUN)/turn.png

test: lint types layers ## everything that must pass before a change is merged
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(READY) ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## mypy --strict and pyright
	$(BIN)/mypy
	$(BIN)/pyright

layers: $(READY) ## imports run one way
	$(BIN)/lint-imports

format: $(READY) ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## cost of the shipped detectors beside their peers
	$(BIN)/turnkit peers get smart-turn
	$(BIN)/turnkit bench default --against encoder --against smart-turn --against vad:silero

clean: ## remove the environment, caches and runs
	rm -rf $(VENV) build dist runs reports .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
