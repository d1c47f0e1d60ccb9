# Two commands do everything on a fresh machine: `make demo` and `make test`.
# PYTHON may name another interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test spark lint types docs bench evals clean

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# Each stamp is a set of extras; it is made again when the pins or the project change.
$(VENV)/.run: constraints.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) -e .
	touch $@

$(VENV)/.test: constraints.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) -e '.[test,otel]'
	touch $@ $(VENV)/.run

$(VENV)/.dev: constraints.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) -e '.[test,otel,dev,docs]'
	touch $@ $(VENV)/.test $(VENV)/.run

# The Spark engine of the hunt is an extra: its tests run where it and Java are.
$(VENV)/.spark: $(VENV)/.test
	$(PIP) -e '.[spark]'
	touch $@

spark: $(VENV)/.spark

demo: $(VENV)/.run
	$(BIN)/titer demo

test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/python docs/check.py
	$(BIN)/sphinx-build -q -W --keep-going -n -b html docs docs/_build/html

bench: $(VENV)/.test
	$(BIN)/python -m bench

evals: $(VENV)/.test
	$(BIN)/python -m evals

clean:
	rm -rf $(VENV) build dist docs/_build .mypy_cache .ruff_cache .pytest_cache
