# The few commands of this repository; `make help` lists them. Everything is installed into .venv and compiled in build/.
#
# The package and the C++ tests are built in one tree (build/dev), so nothing is compiled twice. Files in .venv/stamps
# remember what is done: a second `make test` installs nothing.

PYTHON ?= python3
# Programs that build at once; each may take 1.5 GB.
JOBS ?= $(shell nproc)
PYTEST_ARGS ?=
# Slow Python tests that are run with the others: none, all, or the third of a number.
SLOW ?= none

BIN := .venv/bin
STAMPS := .venv/stamps
PIP := $(BIN)/python -m pip
EXTRAS := train,annotate,cpu-opencl,test

export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)
# OpenMP threads that spin while they wait starve their neighbours.
export OMP_WAIT_POLICY := passive

CODE_FOLDERS := $(wildcard network openmmapi serialization platforms wrappers tests benchmarks examples models)
CXX_FILES = $(shell find $(CODE_FOLDERS) -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh')
# What the installed package is made of.
PACKAGE_FOLDERS := $(wildcard network openmmapi serialization platforms wrappers python cmake)
PACKAGE_FILES := $(shell find $(PACKAGE_FOLDERS) -type f -not -path '*/__pycache__/*' -not -path '*/tests/*') \
    CMakeLists.txt pyproject.toml README.md LICENSE

.PHONY: help setup test build-cpp build-sanitizers test-cpp test-sanitizers test-python toy-family test-slow demo figures format lint clean
.DELETE_ON_ERROR:

help:  ## list these commands
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

setup: $(STAMPS)/package  ## install the package with everything it needs into .venv

test: setup test-sanitizers test-cpp test-python  ## build and run all tests but the slow ones

demo: setup  ## jumps of alanine dipeptide beside plain MD; writes demo/
	$(BIN)/openmm-jump demo --out demo

build-cpp: setup $(STAMPS)/test-packages
	cmake --preset dev
	cmake --build --preset dev --parallel $(JOBS)

build-sanitizers: $(STAMPS)/build-requirements $(STAMPS)/test-packages
	cmake --preset asan
	cmake --build --preset asan --parallel $(JOBS)

test-cpp: build-cpp
	ctest --preset dev --parallel $(JOBS)

test-sanitizers: build-sanitizers
	ctest --preset asan --parallel $(JOBS)

# The C++ part of a family that lives in the tests.
toy-family: setup $(STAMPS)/test-packages
	cmake --preset dev
	cmake --build --preset dev --target toy_family

test-python: toy-family
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --slow=$(SLOW) $(PYTEST_ARGS)

test-slow: toy-family  ## run the slow tests that `make test` leaves out
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m slow $(PYTEST_ARGS)

figures: setup  ## write the figures of docs/figures into the pages
	$(BIN)/python -m openmmjump.evaluation.report docs/figures/demo.json --update README.md docs/demo.md docs/guidance.md

format: $(STAMPS)/tools  ## format all code
	clang-format -i $(CXX_FILES)
	ruff check --fix .
	ruff format .

lint: $(STAMPS)/tools  ## check the format of all code
	clang-format --dry-run --Werror $(CXX_FILES)
	ruff check .
	ruff format --check .

clean:  ## remove .venv, all builds and what the demo wrote
	rm -rf .venv build dist demo .pytest_cache .ruff_cache .hypothesis

# The steps of the set-up, each once.
$(STAMPS)/venv:
	PYTHON=$(PYTHON) .ci/system-packages
	$(PYTHON) -m venv .venv
	mkdir -p $(STAMPS) && touch $@

$(STAMPS)/test-packages: .ci/system-packages $(STAMPS)/venv
	PYTHON=$(PYTHON) .ci/system-packages test
	touch $@

$(STAMPS)/tools: pyproject.toml $(STAMPS)/venv
	$(BIN)/python cmake/requirements.py dev | $(PIP) install -r /dev/stdin
	touch $@

$(STAMPS)/build-requirements: pyproject.toml $(STAMPS)/tools
	$(BIN)/python cmake/requirements.py build | $(PIP) install -r /dev/stdin
	touch $@

$(STAMPS)/package: $(PACKAGE_FILES) $(STAMPS)/build-requirements
	$(PIP) install -v --no-build-isolation --config-settings=build-dir=build/dev \
	    --config-settings=cmake.define.JUMP_BUILD_TESTS=OFF \
	    --config-settings=cmake.define.JUMP_BUILD_BENCHMARKS=OFF ".[$(EXTRAS)]"
	touch $@
