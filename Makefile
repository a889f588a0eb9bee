# make bench and make test are all that a newcomer needs; make help lists the rest. CMakeLists.txt does the building.
BUILD = build
PREFIX = /usr/local
JOBS = $(shell nproc)
# With CI=true warnings are errors, and what cannot be tested counts as failed.
WERROR = $(if $(filter true,$(CI)),ON,OFF)
# The recipes below start a build of their own, which takes no flags from this one.
CMAKE = env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL cmake
BUILD_TESTS = { $(CMAKE) --build $(BUILD) -j $(JOBS) && $(CMAKE) --build $(BUILD) --target tests -j $(JOBS); } || \
    { echo '0 passed, 1 failed, 0 skipped'; exit 1; }
export BUILD JOBS
export TORCH_INDEX ARM64_ARCHIVE

all: setup-build configure
	@$(CMAKE) --build $(BUILD) -j $(JOBS)

help:
	@echo 'make                   builds $(BUILD)/penstock, $(BUILD)/libpenstock.so and .a'
	@echo 'make bench             installs what is missing, builds, prints the table; BENCH_ARGS="--models tiny ..."'
	@echo 'make test              installs what the tests need, builds, runs all of them; STAGES="unit golden ..."'
	@echo '                       TORCH_INDEX=URL hands pip the index of the CPU builds of PyTorch,'
	@echo '                       ARM64_ARCHIVE=URL names a package archive that has arm64'
	@echo 'make ctest             the tests that need no Python'
	@echo 'make lint              the rules of the project; less than a minute, no network'
	@echo 'make install           under PREFIX ($(PREFIX)), in DESTDIR'
	@echo 'make clean             removes what was built; make distclean also what was installed into $(BUILD)'

bench: all
	@$(BUILD)/penstock bench $(BENCH_ARGS)

test: setup-test configure
	@$(BUILD_TESTS)
	@tests/run $(STAGES)

ctest: setup-ctest configure
	@$(BUILD_TESTS)
	@tests/run unit kernels golden step api cli examples rules sanitize thread aarch64 install

lint: setup-lint
	@tests/rules/run

setup-%:
	@scripts/setup.sh $*

configure:
	@mkdir -p $(BUILD)
	@$(CMAKE) -S . -B $(BUILD) -DPENSTOCK_WERROR=$(WERROR) >$(BUILD)/configure.log 2>&1 || \
	    { cat $(BUILD)/configure.log; exit 2; }

install: all
	@DESTDIR='$(DESTDIR)' $(CMAKE) --install $(BUILD) --prefix '$(PREFIX)'

clean:
	@if [ -d $(BUILD) ]; then find $(BUILD) -mindepth 1 -maxdepth 1 ! -name venv ! -name arm64 -exec rm -rf {} +; fi

distclean:
	@rm -rf $(BUILD)

.NOTPARALLEL:
.PHONY: all help bench test ctest lint configure install clean distclean
