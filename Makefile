# Kinora: `make demo` converts a real film in front of your eyes, `make check` runs every test.
# The build itself is Meson's; this file only knows the order of things.

BUILD    ?= build
PREFIX   ?= /usr/local
INPUT    ?=
MESON     = meson setup
NINJA     = ninja

.PHONY: all setup build demo check bench install fuzz clean docs

all: build

setup:
	@tools/setup build

$(BUILD)/build.ninja: | setup
	@$(MESON) $(BUILD) --buildtype=release -Db_ndebug=false --prefix=$(PREFIX) >$(BUILD).log 2>&1 || \
	    { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log

# Leaves build/kinora and the programs it starts.
build: setup $(BUILD)/build.ninja
	@$(NINJA) -C $(BUILD) --quiet

demo: build
	@tools/setup demo
	@tools/demo $(BUILD) $(INPUT)

check:
	@tools/setup build test demo
	@tools/check

bench: build
	@tools/setup test demo bench
	@bench/run

install: build
	@$(NINJA) -C $(BUILD) install

fuzz:
	@tools/setup build test
	@tests/fuzz/run

clean:
	rm -rf build build-asan build-tsan build-fuzz build-clang
