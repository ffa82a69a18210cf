# Everything a newcomer needs. `make setup` is what the others rest on; a second one is a no-op.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
# It takes 6 rounds to claim an order; with 600 ms a cell some 8 fit into 5 minutes.
BENCH_FLAGS := $(if $(QUICK),--variant default --workers 1 --duration 700ms,--also-connections 256 --common-rate 500 --duration 600ms --budget 5m)

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP) ## Create .venv with the project, the pinned servers and the tools

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("asgi-bench needs Python 3.11 or newer: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[servers,frameworks,dev]'
	@touch $(STAMP)

.PHONY: bench
bench: setup ## Measure all shipped servers (5 minutes); QUICK=1 for a short look
	@$(VENV)/bin/asgi-bench run $(BENCH_FLAGS) $(FLAGS)

.PHONY: bench-all
bench-all: setup ## Measure every scenario, each way; again to go on: BUDGET=30m NEW=1
	@scripts/bench-all $(FLAGS)

.PHONY: bench-ci
bench-ci: setup ## Does the gate work here, did an app or a pin take more? BASE=origin/main BUDGET=60s BY=count
	@scripts/bench-ci

.PHONY: test
test: setup ## Run the tests; FLAGS='-k store' chooses
	@scripts/test $(FLAGS)

.PHONY: lint
lint: setup ## Check formatting, lint rules and types
	@scripts/lint

.PHONY: docs
docs: setup ## Build the documentation as a site in build/site
	@$(VENV)/bin/python -c 'import material' 2>/dev/null || $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict --quiet
	@echo build/site/index.html

.PHONY: clean
clean: ## Remove .venv and caches; results stay
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
