# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: run test test-fast lint bench check clean
.DELETE_ON_ERROR:

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of extras: pip runs again only when the project's own metadata changes.
$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[embedded]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.run

# The browser tests need a Chromium; where none is there, take the system's package.
$(VENV)/.chromium: tools/chromium.sh | $(BIN)/python
	sh tools/chromium.sh
	@touch $@

run: $(VENV)/.run  ## set up, serve, print the address: no key and no network needed
	@echo "The command is $(BIN)/bargein: try $(BIN)/bargein --help"
	$(BIN)/bargein serve $(ARGS)

# The floor's proof is all computing, so every core takes a part of it. What only waits for somebody (vendors' simulators,
# the bench) waits together. The rest is timed, and runs alone.
WAITING := tests/bench tests/simulators tests/vendors
test: $(VENV)/.dev $(VENV)/.chromium  ## everything, the page in a real browser included
ifeq ($(ARGS),)
	$(BIN)/python -m pytest -n auto tests/floor
	$(BIN)/python -m pytest -n 3 --dist loadfile $(WAITING)
	$(BIN)/python -m pytest --ignore=tests/floor $(WAITING:%=--ignore=%)
else
	$(BIN)/python -m pytest $(ARGS)
endif

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

bench: $(VENV)/.dev $(VENV)/.chromium  ## the numbers of the README, measured on this machine
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
