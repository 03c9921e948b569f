# Three commands on a fresh machine with Python >= 3.10, make and git:
#   make demo   a whole simulated landing, and where its picture is
#   make check  linters, types and unit tests, after each change
#   make test   linters, types, all tests, packaging: 20 minutes on two cores, before each commit
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST_ARGS ?=
PYTEST := $(BIN)/python -m pytest
# Promises with a time limit are judged on a machine that runs other tests too. What fails is listed, and judged again when
# both runs are done: one test at a time, with the same seed, at most three times. 20 failures end it.
FAILED := out/failed
QUIET := --lf --lfnf=none --randomly-seed=last --maxfail 20 --reruns 2 -raR
WHOLE := flight or packaging or browser or sitl

# Processes that run tests: those that compute, those that mostly wait for daemons, flights and browsers.
CORES := $(shell nproc 2>/dev/null || echo 2)
COMPUTING ?= $(shell echo $$(( $(CORES) + 1 )))
WAITING ?= $(CORES)
WAITING_TESTS := tests/faults tests/flight tests/browser tests/sitl tests/packaging tests/deploy tests/docs

# Debian packages that single tests need; without them those tests skip and say so.
SYSTEM := gstreamer1.0-tools gstreamer1.0-plugins-base openssh-server systemd chromium chromium-driver

.PHONY: release sbom lint-release minima help demo check test lint types unit system faults sitl docs clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -4

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
	@touch $@ $(VENV)/.base $(VENV)/.docs

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(PIP) -e ".[docs]"
	@touch $@ $(VENV)/.base

# With PHOTOS=folder: the same decision on real photographs. HEIGHT_M=30 and NADIR=1 (straight down) say what files do not.
demo: $(VENV)/.base
ifdef PHOTOS
	$(BIN)/touchdown edge look $(PHOTOS) --model models/semantic-drone-fast.onnx $(if $(HEIGHT_M),--height-agl-m $(HEIGHT_M)) $(if $(NADIR),--assume-nadir) --out out/photos
else
	$(BIN)/touchdown sim land --seed 16 --out out/demo
endif

check: lint types $(VENV)/.dev
	$(PYTEST) -n $(CORES) -m "unit and not soak and not realdata" tests/landing tests/bridge tests/edge tests/sim tests/test_house.py

test: system lint types unit

# The documentation site, in out/docs; no network; a warning or a link to nothing is an error.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -q -W --keep-going -n -E -b html docs out/docs
	@echo "out/docs/index.html"

# Every dependency at its declared minimum, in environments of its own; `make test` runs it too.
minima: $(VENV)/.dev
	$(BIN)/python -m pytest tests/packaging/test_minima.py

# Contract, doctor and landings on every autopilot binary named in the environment (ARDUPILOT_SITL, PX4_SITL, and any
# name that begins so), then the table in docs/setup/versions.md.
sitl: $(VENV)/.dev
	$(BIN)/python -m tests.sitl.table; flown=$$?; $(BIN)/python -m docs.make.written; exit $$flown

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

# Two runs beside each other. What waits for daemons, flights, browsers and installers has processes that have not loaded
# every native library of the training and export tests; what computes takes the time that these leave (nice), and is
# shown when both are done.
unit: $(VENV)/.dev
ifeq ($(PYTEST_ARGS),)
	@rm -rf $(FAILED); mkdir -p $(FAILED); \
	nice -n 10 $(PYTEST) -ra -o cache_dir=$(FAILED)/computing -n $(COMPUTING) -m "not soak and not ($(WHOLE))" \
	  >out/computing.log 2>&1 & computing=$$!; \
	trap 'kill $$computing' INT TERM; \
	$(PYTEST) -ra -o cache_dir=$(FAILED)/waiting -n $(WAITING) -m "not soak and ($(WHOLE))" $(WAITING_TESTS); waiting=$$?; \
	wait $$computing; computing=$$?; cat out/computing.log; \
	if [ $$waiting = 1 ]; then $(PYTEST) $(QUIET) -o cache_dir=$(FAILED)/waiting; waiting=$$?; fi; \
	if [ $$computing = 1 ]; then $(PYTEST) $(QUIET) -o cache_dir=$(FAILED)/computing; computing=$$?; fi; \
	exit $$(( waiting + computing > 0 ))
else
	$(BIN)/python -m pytest $(PYTEST_ARGS)
endif

# Wheel, source archive, list of parts and checksums in dist/: the same bytes on every machine, for one commit.
# docs/project/release.md says how a release is made and checked.
release: $(VENV)/.dev out/tools
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/uv build --quiet --build-constraints .ci/build.txt --out-dir dist
	rm -f dist/.gitignore
	$(MAKE) --no-print-directory sbom
	cd dist && sha256sum touchdown_landing-* > SHA256SUMS && cat SHA256SUMS

# The list of parts (CycloneDX) of what a drone installs: the wheel of dist/ with these extras.
SBOM_EXTRAS ?= deploy,heif,ortho,openvino,ncnn,ros2,tools
sbom: out/tools
	$(BIN)/uv venv --quiet --clear out/parts
	$(BIN)/uv pip install --quiet --python out/parts "$$(ls dist/*.whl)[$(SBOM_EXTRAS)]"
	sed "s/^dynamic = .*/version = \"$$($(BIN)/python -c 'from landing.distribution import VERSION; print(VERSION)')\"/" \
	  pyproject.toml > out/pyproject.toml
	out/tools/bin/cyclonedx-py environment --pyproject out/pyproject.toml --output-reproducible --of JSON \
	  -o "$$(ls dist/*.whl | sed 's/-py3-none-any.whl/.cdx.json/')" out/parts/bin/python

# Linters of what only a release uses: workflows and Dockerfiles.
lint-release: out/tools
	out/tools/bin/zizmor --offline --quiet --persona pedantic .github/workflows
	out/tools/bin/hadolint --failure-threshold info deploy/docker/Dockerfile.*

out/tools: pyproject.toml | $(VENV)/.dev
	@mkdir -p out
	$(BIN)/uv venv --quiet --clear out/tools
	$(BIN)/uv pip install --quiet --python out/tools --group release
	@touch $@

# Every fault injected, timed and judged anew, 200 kills among them (20 min); writes docs/faults.md.
faults: $(VENV)/.dev
	rm -rf out/faults
	$(BIN)/python -m pytest tests/faults -m "soak or not soak"
	$(BIN)/python -m tests.faults

clean:
	rm -rf $(VENV) out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
