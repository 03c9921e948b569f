# Two commands on a fresh machine with Python >= 3.10, make and git:
#   make demo   a whole simulated landing, and where its picture is
#   make test   linters, types, tests, packaging
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST_ARGS ?=
WHOLE := flight or packaging or browser or sitl

# Debian packages that single tests need; without them those tests skip and say so.
SYSTEM := gstreamer1.0-tools gstreamer1.0-plugins-base openssh-server systemd chromium chromium-driver

.PHONY: help demo test lint types unit system faults clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -3

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "error: $(PYTHON) is older than Python 3.10; try make PYTHON=python3.11 ..."; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "error: no venv module; on Debian or Ubuntu: apt-get install python3-venv"; exit 2; }

# The demo flies with the committed model, so it needs the base package alone: no torch.
$(VENV)/.base: pyproject.toml | $(BIN)/python
	$(PIP) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP) -e ".[dev]"
	@touch $@ $(VENV)/.base

# With PHOTOS=folder: the same decision on real photographs. HEIGHT_M=30 and NADIR=1 (straight down) say what files do not.
demo: $(VENV)/.base
ifdef PHOTOS
	$(BIN)/touchdown edge look $(PHOTOS) --model models/semantic-drone-fast.onnx $(if $(HEIGHT_M),--height-agl-m $(HEIGHT_M)) $(if $(NADIR),--assume-nadir) --out out/photos
else
	$(BIN)/touchdown sim land --seed 16 --out out/demo
endif

test: system lint types unit

system:
	@command -v dpkg >/dev/null 2>&1 || exit 0; \
	for package in $(SYSTEM); do dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ -n "$$CI" ] && [ "$$(id -u)" = 0 ]; then \
	  echo "installing for the tests:$$missing"; \
	  (apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $$missing) >/dev/null || \
	    echo "not installed:$$missing; the tests that need them skip"; \
	else \
	  echo "note: some tests skip without:$$missing (apt-get install$$missing)"; \
	fi

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy

# In two processes: what waits for daemons, browsers and installers for minutes does so in one that has not loaded
# every native library of the training and export tests before.
unit: $(VENV)/.dev
ifeq ($(PYTEST_ARGS),)
	@parts=0; $(BIN)/python -m pytest -m "not soak and not ($(WHOLE))" || parts=1; \
	$(BIN)/python -m pytest -m "not soak and ($(WHOLE))" || parts=1; exit $$parts
else
	$(BIN)/python -m pytest $(PYTEST_ARGS)
endif

# Every fault injected, timed and judged anew, 200 kills among them (20 min); writes docs/faults.md.
faults: $(VENV)/.dev
	rm -rf out/faults
	$(BIN)/python -m pytest tests/faults -m "soak or not soak"
	$(BIN)/python -m tests.faults

clean:
	rm -rf $(VENV) out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
