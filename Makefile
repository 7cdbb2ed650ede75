# Each target has a one-line explanation; `make` or `make help` prints them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest --dist loadfile --no-loadscope-reorder
ONE_A_CORE := -n logical --maxprocesses 8
MORE_THAN_CORES := -n 3  # many of the slow tests wait
STAMP := $(VENV)/.installed
unexport PYTHONDONTWRITEBYTECODE  # or hundreds of processes would each compile everything anew

.PHONY: help install demo up test test-slowest check docs bench fuzz chaos dist clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP)  ## make .venv and install everything, pinned

$(STAMP): requirements-lock.txt requirements.txt requirements-otel.txt requirements-docs.txt requirements-dev.txt pyproject.toml setup.py relocation.py long_description.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt -c requirements-lock.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(STAMP)  ## the main job end to end on synthetic signers, about five minutes on two cores
	$(BIN)/signforge demo

up: $(STAMP)  ## start the service on this machine: API, reconciler, worker, broker
	$(BIN)/signforge up

check: $(STAMP)  ## lint, types, import contracts, unit tests (about two minutes on two cores)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) $(ONE_A_CORE) -m "not system and not slow"

test: $(STAMP)  ## the tests: unit, property, golden, and whole-system with real processes (about fifteen minutes on two cores)
	$(PYTEST) $(MORE_THAN_CORES) --durations=25 -m "not slowest"

test-slowest: $(STAMP)  ## the tests that `make test` leaves out: compilers, exports, fuzzing, the site, the demo (about eight minutes on two cores)
	$(PYTEST) $(ONE_A_CORE) --durations=25 -m slowest

docs: $(STAMP)  ## build the documentation into build/docs; every warning is an error
	$(BIN)/python -m sphinx -W --keep-going -q -j auto -b html docs build/docs

BENCHMARKS := "limits.py" "step.py --batches 16 --rounds 2" "step.py --batches 32 --rounds 2 --sides eager native" \
	"allocation.py --rounds 2" "embedding.py --rounds 2" "views.py" "importing.py" "scale.py" \
	"checkpoint.py --step-seconds 5 --rounds 3" "ranks.py --recipe smoke"

bench: $(STAMP)  ## speed and scale, as ratios within one run (under thirty minutes on two idle cores)
	@for program in $(BENCHMARKS); do echo; echo "== $$program"; $(BIN)/python benchmarks/$$program || exit 1; done

SEED ?= 1
MINUTES ?= 10
DATABASE ?= sqlite
chaos: $(STAMP)  ## break a whole service for MINUTES=10 by SEED=1 on DATABASE=sqlite or postgresql, then audit it
	$(BIN)/python -m tests.chaos --seed $(SEED) --minutes $(MINUTES) --database $(DATABASE)

fuzz: $(STAMP)  ## changed and hostile files for half of MINUTES=10, hostile requests for the other half, from SEED=1
	SIGNFORGE_FUZZ_SECONDS=$$(( $(MINUTES) * 30 )) SIGNFORGE_FUZZ_SEED=$(SEED) $(BIN)/pytest -n 0 -p no:cacheprovider --timeout 0 tests/fuzz

dist: $(STAMP)  ## build the sdist and the wheel into dist/
	$(BIN)/python -m build --no-isolation --outdir dist .

clean:  ## remove the virtual environment, caches and builds
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .hypothesis
