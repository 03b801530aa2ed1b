# `make` lists the targets. Everything runs in .venv, made when it is missing: make demo PYTHON=python3.12

PYTHON ?= python3
PY := .venv/bin/python
STAMP := .venv/.installed
# uv installs the same faster, where it is there; it reads UV_INDEX, UV_FIND_LINKS, ... instead of pip's variables.
PIP := $(if $(shell command -v uv),uv pip install --quiet --python $(PY),$(PY) -m pip install --quiet --disable-pip-version-check) -c constraints.txt
EXTRAS := test,dev,plot

CHECK_VERSION := $(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 10) and 'Python 3.10 or newer is needed, $(PYTHON) is %d.%d: make PYTHON=...' % sys.version_info[:2])"

# Two test processes share two cores, so each computes with one thread.
PYTEST := OMP_NUM_THREADS=1 $(PY) -m pytest

# `timeout` is not on every system; Python is.
LIMITED := $(PY) -c "import subprocess, sys; sys.exit(subprocess.run([sys.executable, sys.argv[1]], timeout=300).returncode)"

.DEFAULT_GOAL := help
.PHONY: help .venv demo dashboard test test-slow mutants lint types examples docs release-check clean

help:  ## list the targets
	@sed -n 's/^\([a-z.][a-z-]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do printf '  make %-13s %s\n' "$$name" "$$text"; done

.venv: $(STAMP)  ## install the package and its tools into .venv

$(STAMP): pyproject.toml constraints.txt
	@test -x .venv/bin/pip || { $(CHECK_VERSION) && $(PYTHON) -m venv .venv; }
	$(PIP) --upgrade pip
	$(PIP) -e '.[$(EXTRAS)]'
	@touch $@

demo: $(STAMP)  ## two real searches, about five minutes
	$(PY) examples/nas_bench_201.py
	$(PY) examples/train_digits.py

dashboard: $(STAMP)  ## the demo study in optuna-dashboard, two minutes to make
	$(PY) integrations/dashboard/demo.py --folder demo/dashboard
	.venv/bin/optuna-dashboard sqlite:///demo/dashboard/study.db --artifact-dir demo/dashboard/artifacts

test: $(STAMP)  ## the tests and the docstrings' examples
	$(PYTEST) -n 2

test-slow: $(STAMP)  ## the tests marked slow
	@status=0; $(PYTEST) -m slow --collect-only -q >/dev/null || status=$$?; \
	if [ $$status -eq 5 ]; then echo "No test is marked slow."; \
	else echo "$(PYTEST) -m slow -n 2"; $(PYTEST) -m slow -n 2; fi

mutants: $(STAMP)  ## changes that a test must notice, of which it writes a table; a quarter of an hour
	$(PY) -m benchmarks.mutants.run

lint: $(STAMP)  ## ruff: rules and format
	.venv/bin/ruff check
	.venv/bin/ruff format --check

types: $(STAMP)  ## mypy --strict on the package
	.venv/bin/mypy --strict optuna_agnet

examples: $(STAMP)  ## run every example, five minutes at most each
	@set -e; for file in examples/*.py; do echo "== $$file"; $(LIMITED) $$file; done

docs: $(STAMP)  ## the documentation site, into build/site
	$(PIP) -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

release-check: $(STAMP)  ## build sdist and wheel, and run the demo from them in a fresh environment
	.ci/release-check

clean:  ## remove caches, builds and the demo's files; .venv stays
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist demo *.egg-info *.db *.db-journal
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
