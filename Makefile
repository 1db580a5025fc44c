# fettle: `make demo` runs the main job, `make test` proves the program; both install what they need first.
#
#   make                 the program, build/fettle (and ./fettle)
#   make demo            the whole loop on the starter model   [TASTE=shorter|prose|warmer] [FEEDBACK=FILE]
#   make test            C tests, at most 5 minutes
#   make test-all        everything: other compilers, sanitizers, fuzzing, Python's transformers, controls
#   make check           layers, formatting, docs that are generated
#   make bench           the machine's limits and our share of them
# Variables: CC, BUILD (another build folder), SANITIZE=address,undefined

.DEFAULT_GOAL := all
BUILD ?= build
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
FOLDERS := cli train run data model text tensor base
LIBRARIES := json-c libsodium oniguruma libutf8proc

WARNINGS := -Wall -Wextra -Wshadow -Wconversion
CFLAGS ?= -O2 -g
override CFLAGS += -std=c11 -D_GNU_SOURCE -Isrc -fno-math-errno -ffp-contract=off -MMD -MP $(WARNINGS) \
  $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
OPENMP := -fopenmp
PKG_CFLAGS = $(shell pkg-config --cflags $(LIBRARIES) 2>/dev/null)
PKG_LIBS = $(shell pkg-config --libs $(LIBRARIES) 2>/dev/null)

sources = $(sort $(shell find src/$(1) -name '*.c' 2>/dev/null))
objects = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(call sources,$(1)))
archive = $(BUILD)/lib/$(1).a
# The order of the house: a folder and everything below it.
below_base  := base
below_text  := text base
below_tensor := tensor base
below_data  := data base
below_run   := run base
below_model := model tensor text base
below_train := train model tensor text data run base
below_cli   := cli train run data model text tensor base

all: $(BUILD)/fettle

$(BUILD)/fettle: $(foreach f,$(below_cli),$(call archive,$(f)))
	@echo "  link $@"
	@$(CC) $(CFLAGS) $(OPENMP) -o $@ -Wl,--start-group $^ -Wl,--end-group $(PKG_LIBS) -lm -lpthread

define folder_rules
$(call archive,$(1)): $(call objects,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	@ar rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rules,$(f))))

# Kernels are compiled for their instruction set; src/tensor/cpu/cpu.c chooses at run time.
$(BUILD)/obj/tensor/%.o: CFLAGS += -O3
$(BUILD)/obj/tensor/cpu/%_avx2.o: CFLAGS += -mavx2 -mfma -mf16c -ffp-contract=fast
$(BUILD)/obj/tensor/cpu/%_avx512.o: CFLAGS += -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mfma -mf16c -ffp-contract=fast
$(BUILD)/obj/tensor/cpu/%_avx512bf16.o: CFLAGS += -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512bf16 -mfma -mf16c -ffp-contract=fast

$(BUILD)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	@echo "  cc   $<"
	@$(CC) $(CFLAGS) $(PKG_CFLAGS) $(OPENMP) -c -o $@ $<

# Tests mirror the source: tests/FOLDER/NAME.c becomes build/tests/FOLDER/NAME and may use FOLDER and what lies below it.
TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard $(foreach f,$(FOLDERS),tests/$(f)/*.c))))
define test_rules
$(BUILD)/tests/$(1)/%: tests/$(1)/%.c $(foreach f,$(below_$(1)),$(call archive,$(f)))
	@mkdir -p $$(@D)
	@echo "  test $$@"
	@$$(CC) $$(CFLAGS) -Itests $$(PKG_CFLAGS) $$(OPENMP) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(PKG_LIBS) -lcmocka -lm -lpthread
endef
$(foreach f,$(FOLDERS),$(eval $(call test_rules,$(f))))
.PRECIOUS: $(BUILD)/tests/% $(BUILD)/obj/%.o
tests: $(TESTS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

clean:
	rm -rf $(BUILD)/obj $(BUILD)/lib $(BUILD)/tests $(BUILD)/fettle
.PHONY: all tests clean
