# The two commands of this project are `make quickstart` and `make check`; `make` builds.
BUILD ?= build
ASAN  ?= build-asan
MESON ?= meson

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

$(BUILD)/build.ninja:
	@tools/install-deps build
	@$(MESON) setup $(BUILD) --buildtype=release -Db_lto=false >/dev/null

$(ASAN)/build.ninja:
	@tools/install-deps build
	@$(MESON) setup $(ASAN) --buildtype=debug -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false >/dev/null

asan: $(ASAN)/build.ninja
	@ninja -C $(ASAN) --quiet

quickstart:
	@tools/quickstart

check:
	@tools/check

check-long:
	@tools/check --long

bench:
	@tests/bench/run

bench-starlark:
	@tests/bench/starlark/run

# make fuzz MINUTES=10: each target that long
fuzz:
	@tools/fuzz $(or $(MINUTES),1)

install: all
	@$(MESON) install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD) $(ASAN)

.PHONY: all asan quickstart check check-long bench bench-starlark fuzz install clean
