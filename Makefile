# Everything here sets itself up below this folder: `.cache/` holds the tools, `.venv/` the development environment,
# `.demo/` the demo. It needs Python 3.11 or newer, pip, git and make.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 8000
DOMAINS ?= 10000
export UV_CACHE_DIR := $(CURDIR)/.cache/uv
export COPIER_CACHE_DIR := $(CURDIR)/.cache/copier
export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
export PIP_DISABLE_PIP_VERSION_CHECK := 1
UV := $(CURDIR)/.cache/bin/bin/uv
BIN := $(CURDIR)/.venv/bin
DEMO := .demo/domain-monitor
TOGETHER := -n auto --maxprocesses 4 --dist worksteal
unexport VIRTUAL_ENV UV_PROJECT_ENVIRONMENT

.PHONY: help demo test test-on test-matrix check bench bench-update examples vendor pin clean

demo: .venv-demo/ready  ## A domain monitor with 10,000 sample domains on http://127.0.0.1:8000
	@PATH="$(CURDIR)/.venv-demo/bin:$$PATH" .ci/demo $(DEMO) $(DOMAINS) $(PORT)

test: .venv/ready check  ## Lint, types, and every test
	$(BIN)/python -m pytest tests template --ignore tests/container --ignore tests/e2e --ignore tests/example $(TOGETHER) $(PYTEST)
	$(BIN)/python -m pytest tests/core tests/web --postgres $(TOGETHER) $(PYTEST)
	cd examples/domain-monitor && $(BIN)/python -m pytest $(TOGETHER) $(PYTEST)
	$(BIN)/python -m pytest tests/example -o pythonpath="examples/domain-monitor ." $(TOGETHER) $(PYTEST)
	$(BIN)/python -m pytest tests/container $(PYTEST)
	$(BIN)/python -m pytest tests/e2e $(PYTEST)  # on its own: Playwright keeps an event loop running

test-on: $(UV)  ## The tests of core and of the starter on another Python: make test-on WITH=python3.13
	$(UV) venv --quiet --clear --python "$$(command -v $(WITH))" .venv-other
	$(UV) pip install --quiet --python .venv-other/bin/python -r requirements-dev.txt
	@# 3.13 warns of a database connection that some test leaves to the garbage collector; which one is not known yet.
	.venv-other/bin/python -m pytest tests/core tests/web template -W "ignore::pytest.PytestUnraisableExceptionWarning" $(TOGETHER) $(PYTEST)

help:  ## List what there is
	@grep -hE "^[a-z-]+:.*##" Makefile | sed "s/:.*##/\t/"

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd examples/domain-monitor && $(BIN)/mypy

test-matrix: .venv/ready  ## Every version of the template times every hostile user (minutes; `make test` takes a choice)
	PYOPS_MATRIX=whole $(BIN)/python -m pytest tests/cli/test_matrix.py $(TOGETHER) $(PYTEST)

bench: .venv/ready  ## The portfolio's first page beside its floor, as ratios
	$(BIN)/python benchmarks/portfolio.py

bench-update: .venv/ready  ## An update beside a bare `copier update`, as ratios
	$(BIN)/python benchmarks/update.py

examples: .venv/ready  ## Render the template again into the committed examples
	$(BIN)/python .ci/examples

vendor:  ## Fetch and build the vendored browser files again (needs npm)
	$(PYTHON) .ci/vendor

pin: $(UV)  ## Pin the development environment again after a change of pyproject.toml
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header --group dev pyproject.toml -o requirements-dev.txt

clean:  ## Remove everything that was set up
	rm -rf .venv .venv-demo .venv-other .demo .cache

$(UV):
	@echo "Setting up uv in .cache/ …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13 …")'
	@$(PYTHON) -m pip install -qq --root-user-action=ignore --target .cache/bin --upgrade "$$(grep -E '^uv==' requirements-dev.txt)"

.venv/ready: requirements-dev.txt pyproject.toml | $(UV)
	@echo "Setting up the development environment in .venv/ …"
	@$(UV) venv --quiet --clear --python "$$(command -v $(PYTHON))" .venv
	@$(UV) pip install --quiet --python .venv/bin/python -r requirements-dev.txt
	@$(UV) pip install --quiet --python .venv/bin/python --no-deps --editable .
	@touch $@

.venv-demo/ready: pyproject.toml | $(UV)
	@echo "Setting up the pyops command in .venv-demo/ …"
	@$(UV) venv --quiet --clear --python "$$(command -v $(PYTHON))" .venv-demo
	@$(UV) pip install --quiet --python .venv-demo/bin/python --constraint requirements-dev.txt --editable .
	@touch $@
