PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: bench explore mutate prove-explorer readme reports setup soak stress test lint
.DELETE_ON_ERROR:

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; try make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[store,dev]'
	touch $@

setup: $(VENV)/.installed

explore: setup
	$(BIN)/python -m schedule_explorer.targets.original_store
	@echo
	@echo "The production store: all programs of two threads with a call each, every schedule"
	$(BIN)/schedule-explorer verify boundary_store --threads 2 --calls 1 --fresh
	@echo
	@echo "The same, one thread with up to three calls beside the writer, for one request and one key"
	$(BIN)/schedule-explorer verify boundary_store --threads 1 --calls 3 --ids x --keys 0 --fresh

# Writes into README.md what `make explore` prints first, the original race, and the figures of reports/
readme: setup
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest tests/test_readme.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

# The explorer's own proof at length, up to an hour, written to reports/explorer.md: EXAMPLES random programs for
# each family of operations, else as many as evidence/explorer.py says.
prove-explorer: setup
	$(BIN)/python -m evidence explorer $(if $(EXAMPLES),--examples $(EXAMPLES))

# How often real threads fail, about five minutes: SECONDS of each loop.
SECONDS ?= 20
stress: setup
	$(BIN)/python -m stress --seconds $(SECONDS) --json stress.json

# The store for an hour: several processes, kills, a full disk; the picture is soak.png.
MINUTES ?= 60
soak: setup
	$(BIN)/python -m stress.soak --minutes $(MINUTES) --json soak.json --plot soak.png

# Changes the production store's protocol in a hundred ways and verifies each: about an hour on two cores.
mutate: setup
	$(BIN)/python -m schedule_explorer.targets.boundary_store.mutation --json mutants.json $(MUTANTS)

# Tables of ratios, also in bench/results.json; ROWS="memory ..." takes some rows only. The other tools have
# an environment of their own, for one of them needs Python 3.12. Where it cannot be made the table says so.
PEERS := bench/.venv-peers
PEERS_PYTHON ?= $(shell for found in python3.12 python3.13 \
  $$(ls -d "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[23].*/bin/python 2>/dev/null); do \
  "$$found" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && echo "$$found" && break; done)

$(PEERS)/.installed: pyproject.toml
	@test -n "$(PEERS_PYTHON)" || { echo "no Python 3.12 was found for the other tools: make bench PEERS_PYTHON=..."; exit 1; }
	@rm -rf $(PEERS)
	$(PEERS_PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --editable '.[bench]'
	touch $@

# Makes every page of reports/ anew, which takes hours. SECTIONS="zoo ..." makes some only, QUICK=--quick sees that they run.
reports: setup
	-@$(MAKE) --no-print-directory $(PEERS)/.installed
	$(BIN)/python -m evidence $(SECTIONS) $(QUICK)

bench: setup
	-@$(MAKE) --no-print-directory $(PEERS)/.installed
	$(BIN)/python -m bench $(ROWS) --json bench/results.json
