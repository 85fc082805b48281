# make demo   install, then the main job on rendered faces: train twice, extract, score, report
# make test   install, then all tests
# make lint   install, then ruff and mypy
#
# Needs Python 3.10 or newer and make; everything is installed into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint clean

$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	# setuptools would warn of folders named like the package, as of any editable installation
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --editable ".[test]"
	touch $@

demo: $(VENV)/installed
	$(BIN)/nsface demo

# one thread a process: the tests run in as many processes as there are cores
test: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --durations 10

lint: $(VENV)/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	rm -rf build/lint  # mypy finds nsface.cli and nsface.protocols only where they are installed
	$(BIN)/pip install --quiet --no-deps --target build/lint .
	MYPYPATH=build/lint $(BIN)/mypy -p nsface

clean:
	rm -rf $(VENV) build dist *.egg-info
