# Two commands for a stranger: `make run` and `make test`. Both create .venv and install what they need into it.

PYTHON ?= python3
SCENARIO ?= benign/highway_straight
TEST_WORKERS ?= 2
# OpenDRIVE maps that the table of maps is driven on
MAPS ?= ../shared/data/opendrive

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test lint results clean

run: $(VENV)/installed
	$(BIN)/dirtyroad run $(SCENARIO)

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(TEST_WORKERS) --dist loadfile

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# every figure of the README that is too slow for `make test`
results: $(VENV)/installed
	@test -d "$(MAPS)" || echo "maps skipped: there is no folder $(MAPS); name one with: make results MAPS=..."
	$(BIN)/dirtyroad results $(if $(wildcard $(MAPS)),--maps "$(MAPS)")

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/created:
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 13) else "dirtyroad needs Python 3.11 or 3.12; name one with: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/installed: $(VENV)/created pyproject.toml constraints.txt
	$(INSTALL) --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/created pyproject.toml constraints.txt
	$(INSTALL) --editable '.[dev]'
	touch $(VENV)/installed $@
