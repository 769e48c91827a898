# Everything a fresh clone needs: `make demo` installs into .venv and answers questions about a video it renders itself.
#
# PYTHON: the interpreter that makes .venv, 3.11 or newer. TORCH: what pip is to install as torch, options included;
# where the default build is too large, give the index of a CPU-only one: make demo TORCH='torch==2.13.0 --index-url ...'

PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin

# One stamp per state of pyproject.toml, choice of torch and place of the checkout, so that a second `make` installs nothing.
KEY := $(shell { cat pyproject.toml; echo "$(TORCH)"; pwd; } | cksum | cut -d' ' -f1)
HOUR := runs/hour.mp4
ASKED ?= 30
STAMP := $(VENV)/.installed-$(KEY)

.PHONY: demo test lint format bench results pictures clean

demo: $(STAMP)
	$(BIN)/vtc demo

test: lint
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Takes about an hour; results are written to benchmarks/results.
bench: $(HOUR)
	$(BIN)/python -m benchmarks.compute --model tiny
	$(BIN)/python -m benchmarks.capture
	$(BIN)/python -m benchmarks.compaction
	$(BIN)/vtc bench --blind --limit 300 --json > runs/tiny.json
	mv runs/tiny.json benchmarks/results/tiny.json
	$(BIN)/python -m benchmarks.hour $(HOUR) --model tiny

# Every method at every size: about four hours of processor time. Stopped, it goes on. Writes docs/results.md.
results: $(STAMP)
	$(BIN)/python -m benchmarks.results
	$(BIN)/python -m benchmarks.results --write

# The terminals of the README, as they were. Run it after the bundled model or what is printed has changed.
pictures: $(STAMP)
	cd runs && PATH="$(abspath $(BIN)):$$PATH" $(abspath $(BIN))/python ../docs/record_terminal.py \
		-o ../docs/images/terminal.svg 'vtc demo --output film.mp4' && rm -f film.mp4
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python docs/record_terminal.py -o docs/images/bench.svg \
		'vtc bench -m hiprune -m divprune -m uniform -m random --budgets 1/9 --limit $(ASKED)'

$(HOUR): | $(STAMP)
	mkdir -p $(@D)
	$(BIN)/python -m benchmarks.make_hour $(@D)/unfinished.mp4
	mv $(@D)/unfinished.mp4 $@

$(STAMP):
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'vtc needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install $(TORCH)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	rm -f $(VENV)/.installed-*
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache demo.mp4
