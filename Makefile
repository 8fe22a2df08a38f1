PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: explore readme setup test lint
.DELETE_ON_ERROR:

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[store,dev]'
	touch $@

setup: $(VENV)/.installed

explore: setup
	$(BIN)/python -m schedule_explorer.targets.original_store

# Writes what `make explore` prints into README.md.
readme: setup
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest tests/test_readme.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest

