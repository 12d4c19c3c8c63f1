# Every target installs what it needs into .venv. Two commands matter: `make study` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
PROFILE ?=
BENCH ?=
FAMILY ?= resnet
OPTIONS ?=
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Without a home folder, pip would create one named `~` here.
ifeq ($(HOME),)
export HOME := $(CURDIR)/.home
endif

.PHONY: help install study search test lint format ui soak bench gpu-bundle clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

install: .venv/.installed ## Install exact versions into .venv

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; found " + sys.version)'
	@echo "installing into .venv (a few minutes; PyTorch is large)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(BIN)/python -m compileall -q convstudy pipeline search_spaces benchmarks
	@touch $@

study: install ## Run the study (PROFILE=smoke|quick|full|gpu; default: the one in params.yaml)
	@$(BIN)/python -m pipeline.settings $(PROFILE)
	@$(BIN)/python -m pipeline.environment $(BIN)/dvc repro
	@echo
	@$(BIN)/python -m pipeline.reporting.summary
	@echo "report:    reports/results/report.html  (and reports/results/REPORT.md)"
	@echo "all runs:  make ui  (MLflow at http://127.0.0.1:5000)"

search: install ## Search design spaces (FAMILY=resnet OPTIONS="--trials 40 --max-macs 3M")
	@test -e data/prepared/fashion-mnist/manifest.json || $(BIN)/convstudy prepare
	@$(BIN)/convstudy search $(FAMILY) $(OPTIONS)

test: install ## Run the fast tests
	@$(BIN)/python -m pytest -n auto --dist loadgroup

lint: install ## Check style, layers and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy

format: install ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

ui: install ## Browse all runs in MLflow, on this machine only
	@$(BIN)/convstudy ui

soak: install ## Run the long tests
	@$(BIN)/python -m pytest -m soak

bench: install ## Measure this project beside what one would use instead (BENCH=throughput …; default: all, hours)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'lightning>=2.5'
	@$(BIN)/convstudy bench $(BENCH)

gpu-bundle: install ## Pack code, data and wheels for a machine with a GPU and PyTorch alone
	@$(BIN)/python -m pipeline.stages.prepare
	@$(BIN)/python -m gpu.build

clean: ## Remove what was made: environment, caches, results; runs/ and data/ stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache *.egg-info plans reports/results
