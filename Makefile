# Every target does its own set-up in .venv; no compiler and no GPU are needed.
PYTHON ?= python3
BIN := .venv/bin
# The runtime brings an OpenCV of its own, without windows, for machines without zoo.
RUNTIME := plugins/runtime
PLUGINS := $(filter-out $(RUNTIME),$(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml)))
SOURCES := setup.py pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml) $(RUNTIME)/pyproject.toml
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# Once: the tests start zoo hundreds of times, and leave no bytecode behind.
COMPILE := $(BIN)/python -m compileall -q zoo plugins configs tools

TEST_TOOLS := pytest pytest-randomly pytest-timeout pytest-xdist hypothesis jsonschema trustme h5py
FORKS := .venv-onedl/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# What needs the OpenMMLab packages most, without the oracles that only .venv has.
ON_FORKS := $(addprefix tests/engine/,runs resuming checkpoints prediction measuring stepping \
	test_worker_ends.py test_worker_errors.py) tests/ops \
	tests/test_extension.py tests/test_registry.py configs/tests \
	plugins/dice_loss plugins/training_hooks plugins/vgg_unet

# What needs neither torch nor OpenMMLab, and the packages beside zoo that it is tested with.
PYTHONS ?= python3.12 python3.13
WITHOUT_TORCH := $(addprefix tests/,manifest data weights cli checking test_catalog.py test_loading.py \
	test_documents.py test_errors.py test_files.py test_hints.py test_interfaces.py test_names.py test_texts.py)
BESIDE_ZOO := build numpy opencv-python pillow simplejpeg pycocotools matplotlib safetensors $(TEST_TOOLS)

.PHONY: quick record-types test-onedl test-pythons demo demo-tanks docs drill fuzz kill-drill stop-drill test test-release check lint types clean

demo: .venv/run.stamp  ## train, test and predict on the synthetic X-rays; leaves demo/
	$(BIN)/python tools/demo.py --out demo

demo-tanks: .venv/run.stamp  ## the same for oil storage tanks, with a Mask R-CNN; leaves demo_tanks/
	$(PIP) --no-build-isolation -e "./plugins/efficientnet_lite[imagenet]"
	$(BIN)/python tools/demo_tanks.py --out demo_tanks

docs: .venv/docs.stamp  ## the site of docs/, build/site/index.html; a warning is an error
	$(BIN)/python tools/docs_site.py

drill: .venv/run.stamp  ## break 200 downloads on purpose: dead host, cuts, stalls, kill -9, full disk
	$(BIN)/python tools/drill.py

stop-drill: .venv/run.stamp  ## press Ctrl-C on 20 training runs, kill 4, and compare them with runs left alone
	$(BIN)/python tools/stop_drill.py

kill-drill: .venv/run.stamp  ## kill -9 60 training runs, writing included, and compare them with runs left alone
	$(BIN)/python tools/kill_drill.py --semantic 50 --instance 10

fuzz: .venv/run.stamp  ## break 20,000 manifests, indexes, data folders and results on purpose
	$(BIN)/python tools/fuzz_documents.py

quick: .venv/dev.stamp  ## a part of every test file's logic, in two minutes
	$(BIN)/python -m pytest -n 2 --dist worksteal

# One process more than the two cores of the smallest machine: a third of the time, a test waits.
test: .venv/dev.stamp .venv/oracles.stamp  ## every test but those of a release
	$(COMPILE)
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not release" --durations=60

test-release: .venv/dev.stamp .venv/oracles.stamp  ## tests that repeat at length what shorter ones cover
	$(COMPILE)
	$(BIN)/python -m pytest -n 3 --dist worksteal -m release

record-types: .venv/dev.stamp  ## whether the types that records may name are those of every upstream config
	$(BIN)/python tools/record_types.py --check

test-onedl: .venv-onedl/dev.stamp  ## what rests on OpenMMLab, on its maintained forks
	.venv-onedl/bin/python -m pytest -n 2 $(ON_FORKS)

test-pythons: $(PYTHONS:%=.venv-%/dev.stamp)  ## what needs no torch, on other Pythons
	for python in $(PYTHONS); do \
	    .venv-$$python/bin/python -m pytest -n 2 -m "not slow and not mm" $(WITHOUT_TORCH) || exit 1; \
	done

check: lint types test

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev.stamp
	$(BIN)/mypy

# The plugins are built without isolation: one setuptools for all of them instead of a download each.
.venv/run.stamp: $(SOURCES)
	$(PYTHON) -m venv .venv
	$(PIP) "setuptools<82"
	$(PIP) --no-build-isolation -e ".[mm]" $(PLUGINS:%=-e ./%)
	$(PIP) --no-build-isolation --no-deps -e ./$(RUNTIME)
	touch $@

.venv/dev.stamp: .venv/run.stamp
	$(PIP) --no-build-isolation -e ".[mm,dev]"
	touch $@

# Pages are built without zoo and torch, where nothing else has made the environment.
.venv/docs.stamp: pyproject.toml constraints.txt
	test -d .venv || $(PYTHON) -m venv .venv
	$(PIP) sphinx myst-parser furo
	touch $@

.venv-onedl/dev.stamp: $(SOURCES)
	$(PYTHON) -m venv .venv-onedl
	$(FORKS) "setuptools<82"
	$(FORKS) --no-build-isolation -e ".[onedl]" $(PLUGINS:%=-e ./%) $(TEST_TOOLS)
	$(FORKS) --no-build-isolation --no-deps -e ./$(RUNTIME)
	touch $@

.venv-python%/dev.stamp: setup.py pyproject.toml constraints.txt
	python$* -m venv .venv-python$*
	.venv-python$*/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "setuptools<82"
	.venv-python$*/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	    --no-build-isolation -e . $(BESIDE_ZOO)
	touch $@

# Sources that some tests compare with; without them these tests are skipped.
.venv/oracles.stamp: .venv/run.stamp constraints.txt tools/oracles.py
	$(BIN)/python tools/oracles.py
	touch $@

clean:
	rm -rf .venv .venv-* demo demo_tanks build *.egg-info
