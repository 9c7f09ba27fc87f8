# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: run test test-fast lint bench check docs pages clean
.DELETE_ON_ERROR:

$(BIN)/python:
	@echo "Making an environment for Python in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# One stamp for each set of extras: pip runs again only when the project's own metadata changes, and then shows what it
# fetches, because that may take minutes.
PIP := -m pip install --disable-pip-version-check --no-input -c constraints.txt
$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what 'make run' needs, once: some minutes on a slow line"
	@$(BIN)/python $(PIP) -e '.[embedded]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the tests need, once: some minutes on a slow line"
	@$(BIN)/python $(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.run

# Frameworks whose own clients are tried on our simulators: an environment apart, since their versions are their own.
STRANGERS := $(VENV)/strangers
$(VENV)/.strangers: tests/strangers/requirements.txt tests/strangers/constraints.txt | $(BIN)/python
	$(PYTHON) -m venv $(STRANGERS)
	$(STRANGERS)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c tests/strangers/constraints.txt -r tests/strangers/requirements.txt
	@touch $@

# The browser tests need a Chromium; where none is there, take the system's package.
$(VENV)/.chromium: tools/chromium.sh | $(BIN)/python
	@sh tools/chromium.sh
	@touch $@

# The package for npm is built, checked and called by the tests.
$(VENV)/.npm: tools/npm.sh clients/js/package.json | $(BIN)/python
	@sh tools/npm.sh
	@touch $@

# The tests of many nodes run Redis and HAProxy as plain processes.
$(VENV)/.services: tools/services.sh | $(BIN)/python
	@sh tools/services.sh
	@touch $@

run: $(VENV)/.run  ## set up, serve, print the address: no key and no network needed
	@echo "The command is $(BIN)/bargein: try $(BIN)/bargein --help"
	$(BIN)/bargein serve $(ARGS)

# Five stages. What computes takes every core; what waits for simulated vendors, servers and child processes waits
# together; processes and browsers that take long to start, two at once; what is timed in a real browser, also two at once,
# beside quiet pages only: each takes a third of a core; three servers behind a proxy, servers with twenty calls at once, and
# frameworks that take seconds to import run alone. Each stage prints its slowest twenty.
COMPUTING := tests/audio tests/call tests/floor tests/recorder tests/sip tests/tracing tests/transports $(wildcard tests/test_*.py)
WAITING := tests/bench tests/docs tests/first_hour tests/fleet tests/server tests/simulators tests/strangers tests/vendors
ALONE := tests/fleet/test_three_nodes.py tests/llms tests/server/test_cascade.py tests/server/test_openai_realtime.py tests/web/test_faults.py
TIMED := $(addprefix tests/web/test_,$(addsuffix .py,client dummy_call obstacles page realtime voxtral webrtc))
TWO := tests/attack tests/first_hour/test_wheel.py tests/integrations tests/vendors/local/test_worker_process.py tests/web
PYTEST := $(BIN)/python -m pytest --durations=20
test: $(VENV)/.dev $(VENV)/.strangers $(VENV)/.chromium $(VENV)/.npm $(VENV)/.services  ## everything, the page in a real browser included
ifeq ($(ARGS),)
	$(PYTEST) -n auto --dist worksteal $(COMPUTING)
	$(PYTEST) -n 5 --dist loadfile $(WAITING) $(patsubst %,--ignore=%,$(ALONE) $(TIMED) $(TWO))
	$(PYTEST) -n 2 --dist loadfile $(TWO) $(patsubst %,--ignore=%,$(ALONE) $(TIMED))
	$(PYTEST) -n 2 --dist loadfile $(TIMED)
	$(PYTEST) $(ALONE)
else
	$(BIN)/python -m pytest $(ARGS)
endif

test-fast: $(VENV)/.dev  ## for every few minutes of work: no browser, no child process, no exhaustive search
	$(PYTEST) -n auto -m "not slow" $(COMPUTING)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

bench: $(VENV)/.dev $(VENV)/.chromium $(VENV)/.services  ## the numbers of the README, measured on this machine
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/.dev  ## the documentation as a site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Read it: $(BIN)/python -m http.server -d site"

GENERATED := floor_page policy_page settings_page cli_page http_page vendors_page llms_txt
pages: $(VENV)/.dev  ## the pages of docs/ that are made of the code
	@for page in $(GENERATED); do echo "tools/$$page.py"; $(BIN)/python tools/$$page.py || exit; done

clean:
	rm -rf $(VENV) site clients/js/node_modules clients/js/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
