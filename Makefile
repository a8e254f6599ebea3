# Every target sets up what it needs. Only Python 3.11-3.13 and make are assumed.
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
STAMP := .venv/.installed
SCALE_STAMP := .venv/.installed-scale
PEERS_STAMP := .venv/.installed-peers
MANIFEST := dbt_models/target/manifest.json
DBT_FILES := $(shell find dbt_models -name target -prune -o -name logs -prune -o -type f -print)

# Bytecode is kept in .venv and beside our files, whatever the shell says: every process starts seconds sooner.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test check dev browser pictures bench faults fuzz test-scale clean

setup: $(STAMP) $(MANIFEST)

$(STAMP): requirements.lock pyproject.toml
	@echo "== setup: virtual environment in .venv (uv $(UV_VERSION))"
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"expected Python 3.11 to 3.13; found {v[0]}.{v[1]}. Call make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@echo "== setup: installing requirements.lock"
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --require-hashes -r requirements.lock
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(MANIFEST): $(STAMP) $(DBT_FILES)
	@echo "== setup: dbt parse"
	@cd dbt_models && ../$(BIN)/liftos-dbt parse --quiet
	@touch $@

demo: setup
	@echo "== demo: 180 simulated days, from raw pages to effects"
	@$(BIN)/liftos demo

test: setup
	@echo "== test"
	@$(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder -m "not faults and not scale"

check: setup
	@echo "== check: ruff, format, mypy, architecture"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pytest -q tests/test_architecture.py

dev: setup
	@$(BIN)/liftos dev

# A Chromium for the tests that look at pages: the machine's, else its package, else playwright's own.
browser: setup
	@command -v chromium || command -v chromium-browser || command -v google-chrome \
	  || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } \
	  || $(BIN)/playwright install chromium \
	  || { echo "== no browser: none is installed and none could be; tests in tests/browser will be skipped"; exit 1; }

pictures: setup
	@echo "== pictures: docs/report.png and docs/graph.png"
	@$(BIN)/python -m docs.pictures

bench: setup $(PEERS_STAMP)
	@$(BIN)/liftos benchmark

$(PEERS_STAMP): $(STAMP)
	@echo "== bench: installing the extra peers"
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --constraint requirements.lock --editable '.[peers]'
	@touch $@

faults: setup
	@$(BIN)/pytest -m faults

fuzz: setup
	@$(BIN)/python -m tests.service_fuzz 10000

# Spark, DuckLake on Postgres, several run workers: SCALE=short takes two minutes, SCALE=long twenty.
SCALE ?= long
test-scale: setup $(SCALE_STAMP)
	@echo "== test-scale: $(SCALE)"
	@LIFTOS_SCALE=$(SCALE) $(BIN)/pytest -m scale tests/scale

$(SCALE_STAMP): $(STAMP)
	@echo "== test-scale: installing the extras spark and cluster"
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --constraint requirements.lock --editable '.[spark,cluster]'
	@touch $@

clean:
	rm -rf .venv dbt_models/target build *.egg-info
