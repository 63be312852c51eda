# Two commands do all the set-up; each works alone on a fresh Debian or Ubuntu machine with Python 3.12 and make.
#   make demo    the main job in simulation: search, trigger, handoff, grasp; prints the result and the report's path
#   make test    every test
#   make check   format, lint, types
#   make clean   remove everything that was made here, the runs included

SHELL := /bin/bash
PYTHON ?= python3.12
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export MUJOCO_GL ?= egl
export OMP_NUM_THREADS ?= 1
export HF_HUB_OFFLINE ?= 1

.PHONY: demo test check clean install graphics

demo: install graphics
	$(BIN)/baton demo $(ARGS)

test: install graphics
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

install: $(STAMP)

# uv resolves and downloads in parallel: the same packages as with pip, several times faster.
$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null 2>&1 || { echo "$(PYTHON) was not found. Install it with: apt-get install python3.12 python3.12-venv" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "uv>=0.5"
	$(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[dev]'
	touch $@

# Off-screen rendering needs EGL or OSMesa. As root on Debian or Ubuntu the library is installed, else the one line is printed.
graphics: install
	@$(BIN)/python -m robots.graphics || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq libegl1 libgl1-mesa-dri && $(BIN)/python -m robots.graphics; \
	  else exit 2; fi; }

clean:
	rm -rf $(VENV) runs build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
