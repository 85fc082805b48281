# make demo   install, then the main job on rendered faces: train twice, extract, score, report
# make test   install, then all tests
# make test-oldest   the same, with the lowest versions that setup.cfg allows, on Python 3.10
# make docs   install, then a reference of the public modules from their docstrings: build/docs/index.html
# make lint   install, then ruff, and mypy over the package, the tests and the benchmarks
#
# Needs Python 3.10 or newer and make; everything is installed into .venv, for test-oldest into .venv-oldest.

PYTHON ?= python3
PYTHON_OLDEST ?= python3.10
VENV := .venv
OLDEST := .venv-oldest
BIN := $(VENV)/bin

.PHONY: demo docs test test-oldest lint clean

$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	# setuptools would warn of folders named like the package, as of any editable installation
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --editable ".[test]"
	touch $@

demo: $(VENV)/installed
	$(BIN)/nsface demo

# one thread a process: the tests run in as many processes as there are cores. Each begins with a part of the
# list, and takes from others when it has done that: what the tests of a file share is made once.
test: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist worksteal --durations 10

$(OLDEST)/installed: setup.cfg pyproject.toml
	$(PYTHON_OLDEST) -m venv $(OLDEST)
	$(OLDEST)/bin/pip install --quiet --upgrade pip uv
	# of what setup.cfg names the lowest version, of what that needs in turn the newest
	VIRTUAL_ENV=$(OLDEST) $(OLDEST)/bin/uv pip install --quiet --resolution lowest-direct --editable ".[test]"
	touch $@

test-oldest: $(OLDEST)/installed
	OMP_NUM_THREADS=1 $(OLDEST)/bin/pytest --numprocesses auto --dist worksteal

lint: $(VENV)/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/pip install --quiet --editable ".[docs]"
	touch $@

docs: $(VENV)/installed-docs
	rm -rf build/docs
	$(BIN)/python docs/reference.py

clean:
	rm -rf $(VENV) $(OLDEST) build dist *.egg-info
