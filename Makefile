# One verb a chore. Everything made here lies in .venv*, build, dist and demo, which git ignores.
PYTHON ?= python3
DATA := tests/data/gen-2d-per-wt
SOURCES := Makefile setup.py pyproject.toml README.md $(wildcard tools/*.py) $(shell find cyfes kernels -type f -name '*.py' -o -name '*.py[xi]' -o -name '*.h*' -o -name '*.cu' -o -name '*.[ch]pp' -not -name _kernels.cpp)
CXX_FILES := $(shell find kernels tests/native benchmarks -name '*.h*' -o -name '*.cpp')

# Without this, `python -m` would find the checkout, which has no compiled kernels, before the
# installed package.
export PYTHONSAFEPATH := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test fuzz lint tidy format bench bench-instructions sanitize portable aarch64 macos-check toolkits wheel conda example feedstock clean
.DEFAULT_GOAL := help

help:  ## list these verbs
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 20

demo: .venv/installed  ## surfaces and pictures of a shipped simulation, in demo/
	@mkdir -p demo && rm -f demo/fes.* demo/reweighted.*
	.venv/bin/cyfes sum_hills --hills $(DATA)/HILLS.gz --mintozero --outfile demo/fes.dat
	.venv/bin/cyfes plot demo/fes.dat --units kt --vmax 16 --outfile demo/fes.png
	.venv/bin/cyfes reweight $(DATA)/COLVAR.gz --rbias --kt 1 --units kt --sigma 0.15,0.15 --mintozero \
	  --outfile demo/reweighted.dat --plot demo/reweighted.png
	@ls -l demo/fes.dat demo/fes.png demo/reweighted.dat demo/reweighted.png

test: .venv-test/installed  ## install into a clean environment and run the tests (ARGS="-k text", WORKERS=)
	.venv-test/bin/python -m pytest -n $(or $(WORKERS),2) --dist worksteal $(ARGS)

fuzz: .venv-test/installed  ## mutated files and options for a minute (ARGS="--inputs 1000000")
	PYTHONSAFEPATH= .venv-test/bin/python tests/fuzz/run.py $(or $(ARGS),--seconds 60)

lint: .venv-lint/installed  ## style, types, layers, workflows; changes nothing
	.venv-lint/bin/ruff check .
	.venv-lint/bin/ruff format --check .
	.venv-lint/bin/clang-format --dry-run -Werror $(CXX_FILES)
	.venv-lint/bin/mypy
	PYTHONPATH=. .venv-lint/bin/lint-imports --no-cache --no-logo
	.venv-lint/bin/zizmor --offline --quiet .github

# Not part of lint, as it takes a minute and needs the commands that a build notes.
tidy: .venv-test/installed  ## clang-tidy over the kernels (ARGS=kernels/cpu/plan.cpp)
	.venv-test/bin/python -m pip install --quiet clang-tidy==23.1.4
	.venv-test/bin/python tools/tidy.py $(ARGS)

format: .venv-lint/installed  ## what lint asks for and a machine can do
	.venv-lint/bin/ruff check --fix .
	.venv-lint/bin/ruff format .
	.venv-lint/bin/clang-format -i $(CXX_FILES)

bench: .venv-bench/installed  ## times and errors beside each peer's (ARGS="kde-2d", ARGS=scaling)
	.venv-bench/bin/python benchmarks/run.py $(ARGS)

bench-instructions: .venv-test/installed  ## kernels' instructions against benchmarks/instructions.json
	.venv-test/bin/python benchmarks/instructions.py $(ARGS)

sanitize:  ## the kernels alone under the address, undefined-behaviour and thread sanitizers
	tests/native/run

# Not what takes longest, and not what is compiled by tests.
portable: .venv-portable/installed  ## the kernels as processors without x86's instruction sets have them
	OBJECTS=$$(echo build/temp.*/portable) CYFES_PORTABLE=1 EXACT_TEXT=$${EXACT_TEXT:-100000} tests/native/run plain
	CYFES_ISA=portable .venv-portable/bin/python -m pytest $(addprefix tests/test_,$(addsuffix .py,kernels moments weights text_parse text_format)) \
	  -k 'not cuda and not heavy and not predicted and not any_number and not other_python' $(ARGS)

# Debian: g++-aarch64-linux-gnu and qemu-user.
aarch64:  ## the kernels compiled for aarch64 and run by qemu, which takes minutes
	EXACT_TEXT=$${EXACT_TEXT:-100000} CXX=aarch64-linux-gnu-g++ RUN='qemu-aarch64 -L /usr/aarch64-linux-gnu' tests/native/run plain

macos-check: .venv-macos/installed  ## the kernels compiled for macOS, arm64 and x86-64, by zig's clang; not run
	PYTHONSAFEPATH= .venv-macos/bin/python tools/macos_check.py $(ARGS)

toolkits: .venv-test/installed  ## compile for all GPUs with the oldest and the newest CUDA 13 of PyPI
	@$(call toolkit,13.0.*,oldest) && $(call toolkit,13.*,newest)
	CYFES_CUDA_MATRIX="$$($(call nvcc_of,oldest)):$$($(call nvcc_of,newest))" \
	  .venv-test/bin/python -m pytest -k every_toolkit tests/test_cuda_build.py

wheel: .venv-wheel/installed  ## build, repair and verify the wheel, in dist/ (CUDART=bundled, CYFES_CUDA=0)
	.venv-wheel/bin/python wheel build --cudart $(or $(CUDART),package) $(ARGS)

# CHANNEL: standin (made here), conda-forge or an address. CROOT: where to build, outside of this
# folder. VARIANTS: CUDA versions of conda_build_config.yaml, such as "None 13.0".
conda: .venv-conda/installed  ## the conda packages, in build/conda, tested (CHANNEL=, CROOT=, VARIANTS=)
	PYTHONSAFEPATH= .venv-conda/bin/python tools/conda/build_packages.py build/conda \
	  $(if $(CHANNEL),--channel '$(CHANNEL)') $(if $(CROOT),--croot '$(CROOT)') $(if $(VARIANTS),--variants $(VARIANTS))
	.venv-conda/bin/python -m pytest --confcutdir=tests/packaging/conda tests/packaging/conda $(ARGS)

# Its conda package is built if `make conda CHANNEL=standin` has made a channel in build/conda-channel.
example: .venv-conda/installed  ## build examples/minimal, and break the rules of docs/recipe-anatomy.md in it
	PYTHONSAFEPATH= .venv-conda/bin/python tools/conda/build_example.py build/example
	.venv-conda/bin/python -m pytest --confcutdir=tests/packaging/example tests/packaging/example $(ARGS)

# What only a release knows: SDIST (the file), URL (of it), HOMEPAGE, DOCS, REPOSITORY, MAINTAINERS.
# conda-smithy is not on PyPI: the recipes are linted where it is installed.
feedstock: .venv-conda/installed  ## the recipes as conda-forge takes them, in build/feedstock (SDIST=, URL=, ...)
	PYTHONSAFEPATH= .venv-conda/bin/python tools/conda/feedstock.py build/feedstock --sdist '$(SDIST)' --url '$(URL)' \
	  --home '$(HOMEPAGE)' --docs '$(DOCS)' --repository '$(REPOSITORY)' --maintainers $(MAINTAINERS)
	@if command -v conda-smithy > /dev/null; then for recipe in recipe recipe-v0; do \
	  conda-smithy recipe-lint build/feedstock/$$recipe || exit 1; done; else echo "not linted: no conda-smithy"; fi

clean:  ## remove what the verbs above made
	rm -rf .venv .venv-test .venv-portable .venv-macos .venv-bench .venv-lint .venv-wheel .venv-conda .venv-cuda-* build demo dist

# Without CUDA unless asked for: a demonstration should not wait for nvcc.
# A normal install: the package is built as users build it and runs from site-packages. An old
# build folder would put modules that no longer exist into it.
.venv/installed: $(SOURCES)
	@$(call environment,.venv)
	rm -rf build/lib* && CYFES_CUDA=$${CYFES_CUDA:-0} .venv/bin/python -m pip install --quiet '.[plot]'
	@touch $@

# Warnings of our own kernels are errors here, not for users with other compilers. Where there is
# nvcc, libcufes.so is built for one architecture: enough for every test without a GPU.
.venv-test/installed: $(SOURCES)
	@$(call environment,.venv-test)
	rm -rf build/lib* && CYFES_WERROR=1 CYFES_CUDA_ARCHS=$${CYFES_CUDA_ARCHS:-90} \
	  .venv-test/bin/python -m pip install --quiet '.[test]'
	@touch $@

# The peers are optional: one that has no wheel here does not keep the others away.
.venv-bench/installed: $(SOURCES)
	@$(call environment,.venv-bench)
	rm -rf build/lib* && CYFES_CUDA=$${CYFES_CUDA:-0} .venv-bench/bin/python -m pip install --quiet .
	.venv-bench/bin/python -c "$$requirements" bench > .venv-bench/requirements.txt
	$(call wheels,-r .venv-bench/requirements.txt) || while read -r peer; do \
	  $(call wheels,"$$peer") || echo "$$peer is left out: no wheel"; done < .venv-bench/requirements.txt
	@touch $@

wheels = .venv-bench/bin/python -m pip install --quiet --only-binary :all: $(1)

# What an extra asks for, without the package.
define requirements
import sys, tomllib
project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print(*project["dependencies"], *project["optional-dependencies"][sys.argv[1]], sep="\n")
endef
export requirements

.venv-portable/installed: $(SOURCES)
	@$(call environment,.venv-portable)
	rm -rf build/lib* && CYFES_PORTABLE=1 CYFES_CUDA=0 CYFES_WERROR=1 .venv-portable/bin/python -m pip install --quiet . 'pytest>=8' 'hypothesis>=6'
	@touch $@

.venv-macos/installed: tools/macos_check.py
	@$(call environment,.venv-macos)
	.venv-macos/bin/python -m pip install --quiet ziglang==0.17.1 'cython>=3.1'
	@touch $@

.venv-lint/installed: pyproject.toml
	@$(call environment,.venv-lint)
	.venv-lint/bin/python -c "$$requirements" lint > .venv-lint/requirements.txt
	.venv-lint/bin/python -m pip install --quiet -r .venv-lint/requirements.txt
	@touch $@

.venv-wheel/installed: wheel/requirements.txt
	@$(call environment,.venv-wheel)
	.venv-wheel/bin/python -m pip install --quiet -r $<
	@touch $@

.venv-conda/installed: tools/conda/requirements.txt
	@$(call environment,.venv-conda)
	.venv-conda/bin/python -m pip install --quiet -r $<
	@touch $@

environment = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	"cyfes needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=...")' \
	&& $(PYTHON) -c 'import sys; from importlib.util import find_spec; sys.exit(not find_spec("ensurepip") and \
	"this Python cannot make environments: install python3-venv (Debian, Ubuntu)")' \
	&& { test -x $(1)/bin/python || $(PYTHON) -m venv $(1); }

toolkit = { test -x .venv-cuda-$(2)/bin/python || $(PYTHON) -m venv .venv-cuda-$(2); } && \
	.venv-cuda-$(2)/bin/python -m pip install --quiet 'cuda-toolkit[nvcc,cudart]==$(1)'

nvcc_of = .venv-cuda-$(1)/bin/python -c \
	'import sysconfig; print(sysconfig.get_path("purelib") + "/nvidia/cu13/bin/nvcc")'
