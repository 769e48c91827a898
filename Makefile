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

.PHONY: demo test lint format bench ruler results pictures clean

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

# Takes about half an hour; results are written to benchmarks/results.
bench: $(HOUR)
	$(BIN)/python -m benchmarks.compute --model tiny
	$(BIN)/python -m benchmarks.capture
	$(BIN)/python -m benchmarks.compaction
	$(BIN)/python -m benchmarks.hour $(HOUR) --model tiny

# What the bundled model can do, for docs/tiny.md and the README: about two hours. Stopped, it goes on.
ruler: $(STAMP)
	$(call ruled,tiny,--blind --limit 300 -m random:retain=1/9)
	$(call ruled,tiny-unseen,--unseen --limit 300)
	$(call ruled,tiny-recall-1m,--length 1m --limit 304 -m recent:units=2)
	$(call ruled,tiny-recall,--length 10m --limit 160 -m recent:units=2)

# $(call ruled,NAME,OPTIONS): answers in runs/NAME.jsonl, figures in the results once there are all of them.
ruled = mkdir -p runs && $(BIN)/vtc bench $(2) --share-vision --model tiny -o runs/$(1).jsonl --resume --json > runs/$(1).json \
	&& mv runs/$(1).json benchmarks/results/$(1).json

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
