# Two commands matter: `make run` (the pipeline on the record shop) and `make test`.
PYTHON ?= python3
BIN := .venv/bin
# Most tests wait for processes and sockets: twice as many workers as cores keep the cores busy.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count() * 2)')
.DEFAULT_GOAL := help
# Hundreds of processes are started by a run of the tests: each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run test tests drill hostile search lint bench steady pins clean
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## Build .venv with pinned, hash-checked dependencies

# The constraints name every package there is to install. pip compiles them one by one, compileall on every core.
.venv/.ready: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; %s is %s. Try: make PYTHON=python3.12 setup" % (sys.executable, sys.version.split()[0]) if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q -j 0 .venv/lib
	@touch $@

run: setup ## Run the whole pipeline on the record shop; report in out/report.html
	$(BIN)/harness run --out out $(ARGS)

test: setup ## Lint, type-check and test the harness and the record shop
	@$(MAKE) --no-print-directory -j2 lint tests

tests: setup
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

drill: setup ## Plant every known defect in the record shop, also those `make test` leaves out
	$(BIN)/python -m pytest tests/defects -m "drill or not drill" -n $(WORKERS) --dist worksteal $(ARGS)

# The longest first: one run of fuzzing, which all tests of that file share.
hostile: setup ## What a hostile service, document or contract may try, alone (part of `make test`)
	$(BIN)/python -m pytest tests/fuzz/test_hostile.py tests/guard tests/*/test_hostile.py tests/contracts/*/test_hostile.py tests/contracts/schema/test_references.py -n $(WORKERS) --dist worksteal $(ARGS)

search: setup ## What Hypothesis is asked, with new and many more examples
	$(BIN)/python -m pytest --hypothesis-profile search -m "not drill" -n $(WORKERS) $$(grep -rl --include='test_*.py' '^from hypothesis import' tests) $(ARGS)

lint: setup ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup ## Speed and memory, as ratios
	$(BIN)/python -m pytest tests/benchmarks -p no:xdist -p no:cacheprovider --timeout 1800 -s $(ARGS)

steady: setup ## Clean runs in a row, idle, crowded and squeezed: a table (hours)
	$(BIN)/python tests/benchmarks/steady.py $(ARGS)

pins: ## Renew constraints.txt from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes --no-header --no-emit-index-url pyproject.toml -o constraints.txt

clean: ## Remove what runs and set-up leave behind
	rm -rf .venv out .harness .mypy_cache .ruff_cache .pytest_cache
