# fettle: `make demo` runs the main job, `make test` proves the program; both install what they need first.
#
#   make                 the program, build/fettle (and ./fettle)
#   make demo            the whole loop on the starter model   [TASTE=shorter|prose|warmer] [FEEDBACK=FILE] [METHOD=ppo] [METHODS=dpo,ppo,...]
#   make test            C tests, at most 5 minutes
#   make test-long       what is a matter of chance, often: kills under load, power cuts
#   make test-all        everything: other compilers, sanitizers, fuzzing, Python's transformers, controls
#   make check           layers, formatting, docs and pages that are generated
#   make web             web/dist from web/src, by Node (which tools/deps node brings)
#   make fuzz            tests/fuzz for FUZZ_SECONDS (20)
#   make bench           the machine's limits and our share of them
#   make install         into PREFIX (/usr/local); make uninstall
# Variables: CC, CFLAGS, BUILD (another build folder), SANITIZE=address,undefined, FETTLE_NO_INSTALL=1
#
# What needs packages asks tools/deps for them and then calls make again, because pkg-config may be one of them.

.DEFAULT_GOAL := all
BUILD ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 20
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
FOLDERS := cli serve train assist run data store model text tensor base
LIBRARIES := json-c libsodium oniguruma libutf8proc sqlite3 libmicrohttpd zlib libzstd snappy

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wconversion
SANITIZERS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
PKG_CFLAGS := $(shell pkg-config --cflags $(LIBRARIES) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(LIBRARIES) 2>/dev/null)
# KERNEL: what a file's instruction set adds (below). Products and sums stay apart unless a kernel asks for the fused kind, so
# that the same lines give the same bits everywhere.
FLAGS = $(CFLAGS) -std=c11 -D_GNU_SOURCE -Isrc -fopenmp -fno-math-errno -ffp-contract=off -MMD -MP $(WARNINGS) $(SANITIZERS) \
  $(KERNEL) $(PKG_CFLAGS)
LIBS = $(PKG_LIBS) -lm -lpthread -ldl

sources = $(sort $(shell find src/$(1) -name '*.c' 2>/dev/null))
objects = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(call sources,$(1))) $(if $(filter serve,$(1)),$(BUILD)/pages/pages.o)
archive = $(BUILD)/lib/$(1).a
# The order of the house: a folder and everything below it.
below_base  := base
below_text  := text base
below_tensor := tensor base
below_store := store base
below_data  := data store base
below_run   := run base
below_model := model tensor text base
below_assist := assist data store model text tensor base
below_train := train model tensor text data store run base
below_serve := serve assist run store data text model tensor base
below_cli   := cli serve train assist run data store model text tensor base

# ---- building ---------------------------------------------------------------------------------------------------------------

AGAIN = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

all:
	@tools/deps build
	@$(AGAIN) program

program: $(BUILD)/fettle

$(BUILD)/fettle: $(foreach f,$(below_cli),$(call archive,$(f)))
	@echo "  link $@"
	@$(CC) $(FLAGS) -o $@ -Wl,--start-group $^ -Wl,--end-group $(LIBS)
	@[ "$(BUILD)" != build ] || ln -sf build/fettle fettle

define folder_rules
$(call archive,$(1)): $(call objects,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	@ar rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rules,$(f))))

# Kernels are compiled for their instruction set; src/tensor/cpu/cpu.c chooses at run time.
# (Under sanitizers speed is not the matter, and -O3 of tiles takes minutes to compile.)
$(BUILD)/obj/tensor/%.o: KERNEL += $(if $(SANITIZE),,-O3)
$(BUILD)/obj/store/store_similar.o: KERNEL += -O3
$(BUILD)/obj/tensor/cpu/%_avx2.o: KERNEL += -mavx2 -mfma -mf16c -ffp-contract=fast
$(BUILD)/obj/tensor/cpu/%_avx512.o: KERNEL += -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mfma -mf16c -ffp-contract=fast
$(BUILD)/obj/tensor/cpu/%_avx512bf16.o: KERNEL += -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512bf16 -mfma -mf16c -ffp-contract=fast

# Every size of tile is unrolled: checks of each addition would take minutes to compile. No foreign byte comes here but through checked
# sizes; the address sanitizer stays, except under the fuzzer.
ifneq ($(SANITIZE),)
$(BUILD)/obj/tensor/cpu/kernels_%.o: KERNEL += -fno-sanitize=$(if $(findstring fuzzer,$(SANITIZE)),all,undefined)
endif

$(BUILD)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	@echo "  cc   $<"
	@$(CC) $(FLAGS) -c -o $@ $<

# The web app lies in the program: web/dist is made by `make web` and committed, so that nobody needs Node to build.
$(BUILD)/pages/pages.c: tools/embed $(shell find web/dist -type f 2>/dev/null) web/dist
	@echo "  embed web/dist"
	@tools/embed web/dist $(@D)

$(BUILD)/pages/pages.o: $(BUILD)/pages/pages.c src/serve/pages.h
	@$(CC) $(FLAGS) -c -o $@ $<

web/dist:
	@mkdir -p $@

NODE = PATH="$(CURDIR)/build/venv-node/bin:$$PATH"
web:
	@tools/deps node
	@cd web && $(NODE) npm run --silent check
	@cd web && $(NODE) npm run --silent build

# The program, its man page, words for the shells' Tab key, and a service for systemd (packaging/).
install: all
	install -D -m 755 $(BUILD)/fettle $(DESTDIR)$(PREFIX)/bin/fettle
	install -D -m 644 docs/fettle.1 $(DESTDIR)$(PREFIX)/share/man/man1/fettle.1
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	sed 's|@PREFIX@|$(PREFIX)|' packaging/fettle.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/fettle.service
	$(BUILD)/fettle completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/fettle
	$(BUILD)/fettle completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_fettle
	$(BUILD)/fettle completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/fettle.fish

uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,bin/fettle share/man/man1/fettle.1 lib/systemd/system/fettle.service \
	  share/bash-completion/completions/fettle share/zsh/site-functions/_fettle share/fish/vendor_completions.d/fettle.fish)

# ---- tests ------------------------------------------------------------------------------------------------------------------

# Tests mirror the source: tests/FOLDER/NAME.c becomes build/tests/FOLDER/NAME and may use FOLDER and what lies below it.
TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard $(foreach f,base store text tensor data run model assist train serve cli,tests/$(f)/*.c))))
define test_rules
$(BUILD)/tests/$(1)/%: tests/$(1)/%.c $(foreach f,$(below_$(1)),$(call archive,$(f)))
	@mkdir -p $$(@D)
	@echo "  test $$@"
	@$$(CC) $$(FLAGS) -Itests -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group -lcmocka $$(LIBS)
endef
$(foreach f,$(FOLDERS),$(eval $(call test_rules,$(f))))

# Fuzz targets are built by tools/fuzz: clang, SANITIZE=address,undefined,fuzzer-no-link, BUILD=build-fuzz.
$(BUILD)/fuzz/%: tests/fuzz/%.c $(foreach f,$(sort $(below_train) $(below_serve)),$(call archive,$(f)))
	@mkdir -p $(@D)
	@echo "  fuzz $@"
	@$(CC) $(FLAGS) -fsanitize=fuzzer -Itests -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS)

tests: $(TESTS)

# Another compiler's warnings on the tests, without building them: make CC=clang CFLAGS=-Werror syntax
syntax:
	@printf '%s\n' $(patsubst $(BUILD)/%,%.c,$(TESTS)) | xargs -P $$(nproc) -n 8 $(CC) $(filter-out -MMD -MP,$(FLAGS)) -Itests -fsyntax-only

# JOBS=2: so many at once.
run-tests: program tests
	@FETTLE_PROGRAM=$(BUILD)/fettle tools/run-tests $(if $(JOBS),-j $(JOBS)) $(TESTS)

# The starter model is wanted, not needed: tests that use it say so when they skip.
test:
	@tools/deps build
	@tools/deps starter || echo "SKIPPED: the starter model could not be fetched; tests that need it are left out" >&2
	@$(AGAIN) program tests
	@FETTLE_PROGRAM=$(BUILD)/fettle tools/run-tests $(TESTS)

test-long: program tests
	@tools/test-long

test-all:
	@TESTED=$(TESTED) FUZZ_SECONDS=$(FUZZ_SECONDS) tools/test-all

check:
	@tools/deps build check
	@$(AGAIN) program
	@tools/check

fuzz:
	@tools/fuzz $(FUZZ_SECONDS)

# ---- running ----------------------------------------------------------------------------------------------------------------

demo:
	@tools/deps build starter
	@$(AGAIN) program
	@./fettle demo $(if $(TASTE),--taste '$(TASTE)') $(if $(FEEDBACK),--feedback '$(FEEDBACK)') $(if $(METHOD),--method '$(METHOD)') $(if $(METHODS),--methods '$(METHODS)')

bench: all
	@$(BUILD)/fettle bench

clean:
	rm -rf $(BUILD)/obj $(BUILD)/lib $(BUILD)/tests $(BUILD)/fuzz $(BUILD)/fettle

.PRECIOUS: $(BUILD)/tests/% $(BUILD)/obj/%.o $(BUILD)/fuzz/%
.PHONY: web all program tests syntax run-tests test test-long test-all check fuzz demo bench install uninstall clean
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
